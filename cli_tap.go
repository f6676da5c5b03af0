package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/engine/arrowfile"
	"github.com/rapidbyte-go/rapidbyte/engine/pipeline"
)

// tap keeps what the destination is given, a stream in a file. A file is there
// once its stream was committed, and holds what was committed.
type tap struct {
	paths map[string]string // by stream
	files map[string]*tapFile
}

type tapFile struct {
	*outputFile
	arrow *arrowfile.Writer
}

// newTap makes sure that the files can be written, and leaves none. path is a file
// for a pipeline of one stream, or a folder, in which each stream has a file.
func newTap(path string, streams []pipeline.Stream) (*tap, error) {
	t := &tap{paths: make(map[string]string), files: make(map[string]*tapFile)}
	info, err := os.Stat(path)
	folder := err == nil && info.IsDir()
	if !folder && len(streams) > 1 {
		return nil, fmt.Errorf("%s would be a file, which holds one stream, and the pipeline has %d: name a folder that exists, for a file STREAM.arrow each", path, len(streams))
	}
	for _, s := range streams {
		target := path
		if folder {
			// A stream may have any name, a path among them.
			target = filepath.Join(path, url.PathEscape(s.Name)+".arrow")
		}
		f, err := createOutput(target)
		if err != nil {
			return nil, err
		}
		if err := f.discard(); err != nil {
			return nil, err
		}
		t.paths[s.Name] = f.path
	}
	return t, nil
}

// writes reports whether one of the files will be at path.
func (t *tap) writes(path string) bool {
	if t == nil {
		return false
	}
	want, err := filepath.Abs(path)
	for _, p := range t.paths {
		have, err2 := filepath.Abs(p)
		if err == nil && err2 == nil && have == want {
			return true
		}
	}
	return false
}

// message adds a message to its stream's file. A schema begins it, again when the
// stream is tried again.
func (t *tap) message(stream string, message []byte, _ int) error {
	if arrowfile.IsSchema(message) {
		if err := t.discard(stream); err != nil {
			return err
		}
		out, err := createOutput(t.paths[stream])
		if err != nil {
			return err
		}
		t.files[stream] = &tapFile{out, arrowfile.NewWriter(out)}
	}
	f := t.files[stream]
	if f == nil {
		return fmt.Errorf("stream %q does not begin with a schema", stream)
	}
	return f.arrow.Add(message)
}

// discard removes what there is of a stream's file, if anything.
func (t *tap) discard(stream string) error {
	f := t.files[stream]
	if f == nil {
		return nil
	}
	delete(t.files, stream)
	return f.discard()
}

// finish ends the files of the streams that were committed, removes the others and
// returns the paths of those that are there. After an error it goes on, and returns
// the first.
func (t *tap) finish(streams []engine.StreamResult) (paths []string, err error) {
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	for _, s := range streams {
		f := t.files[s.Name]
		if f == nil || !s.Committed {
			keep(t.discard(s.Name))
			continue
		}
		if cerr := f.arrow.Close(); cerr != nil {
			keep(cerr)
			keep(t.discard(s.Name))
			continue
		}
		if ferr := f.finish(); ferr != nil {
			keep(ferr)
			continue
		}
		paths = append(paths, f.path)
	}
	return paths, err
}
