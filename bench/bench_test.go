package bench

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/rapidbyte-go/rapidbyte/bench/lab"
	"github.com/rapidbyte-go/rapidbyte/engine"
	"github.com/rapidbyte-go/rapidbyte/hostfuncs/frame"
)

// BenchmarkPipeline moves the rows from table to table through the connectors,
// everything warm.
func BenchmarkPipeline(b *testing.B) {
	if listed(b, lab.Grid.Pipelines) {
		return
	}
	env := require(b)
	measure(b, env, env.Grid.Pipelines(), env.PipelineTrial)
}

// errNothingCompiled is why a family does not run with another runtime.
var errNothingCompiled = errors.New("only the compiled runtime compiles")

// BenchmarkPipelineCold does the same with an engine made for the run: with
// nothing compiled yet, and with compiled modules on disk.
func BenchmarkPipelineCold(b *testing.B) {
	if listed(b, lab.Grid.Colds) {
		return
	}
	env := require(b)
	if env.Grid.Runtime != "compiled" {
		skip(b, errNothingCompiled)
	}
	for _, c := range env.Grid.Colds() {
		b.Run(c.Sub(), func(b *testing.B) { measureAndEnd(b, env, c, env.ColdTrial) })
	}
}

// BenchmarkFloor moves the same rows without WebAssembly and without Arrow.
func BenchmarkFloor(b *testing.B) {
	if listed(b, lab.Grid.Floors) {
		return
	}
	env := require(b)
	measure(b, env, env.Grid.Floors(), env.FloorTrial)
}

// BenchmarkTax moves the rows in turn through the sandbox and with the same
// connectors linked in: what the sandbox costs, and nothing else.
func BenchmarkTax(b *testing.B) {
	if listed(b, lab.Grid.Taxes) {
		return
	}
	env := require(b)
	cases := env.Grid.Taxes()
	if len(cases) == 0 {
		skip(b, errNoSandbox)
	}
	measure(b, env, cases, env.TaxTrial)
}

// errNoSandbox is why there is no price of it.
var errNoSandbox = errors.New("the native runtime has no sandbox")

// BenchmarkPeer runs whole programs, ours and its rivals, from their start to
// their end.
func BenchmarkPeer(b *testing.B) {
	if listed(b, lab.Grid.Peers) {
		return
	}
	env := require(b)
	if err := peersLeftOut(); err != nil {
		skip(b, err)
	}
	for _, c := range env.Grid.Peers() {
		b.Run(c.Sub(), func(b *testing.B) {
			if err := lab.HavePeer(c.Param("via")); err != nil {
				skip(b, err)
			}
			measureAndEnd(b, env, c, env.PeerTrial)
		})
	}
}

// peersLeftOut returns why no peer is to run, nil if they are: without a rival
// only who asks for them by name gets them.
func peersLeftOut() error {
	if strings.Contains(flag.Lookup("test.bench").Value.String(), "Peer") {
		return nil
	}
	return lab.HaveRival()
}

// BenchmarkNetwork moves the rows as BenchmarkPipeline does, with a slower line
// between the pipeline and the server.
func BenchmarkNetwork(b *testing.B) {
	if listed(b, lab.Grid.Links) {
		return
	}
	env := require(b)
	for _, c := range env.Grid.Links() {
		b.Run(c.Sub(), func(b *testing.B) { measureAndEnd(b, env, c, env.NetworkTrial) })
	}
}

// BenchmarkPartitions moves the rows in several partitions at the same time, and
// fails if a run did not.
func BenchmarkPartitions(b *testing.B) {
	if listed(b, lab.Grid.Partitions) {
		return
	}
	env := require(b)
	measure(b, env, env.Grid.Partitions(), env.PartitionTrial)
}

// BenchmarkSource reads the rows into Arrow batches and drops them.
func BenchmarkSource(b *testing.B) {
	if listed(b, lab.Grid.Sources) {
		return
	}
	env := require(b)
	measure(b, env, env.Grid.Sources(), env.SourceTrial)
}

// BenchmarkDest writes Arrow batches that were made beforehand.
func BenchmarkDest(b *testing.B) {
	if listed(b, lab.Grid.Dests) {
		return
	}
	env := require(b)
	measure(b, env, env.Grid.Dests(), env.DestTrial)
}

// BenchmarkWorkload moves tables of other kinds than the events of the rest,
// each of about as many bytes.
func BenchmarkWorkload(b *testing.B) {
	if listed(b, lab.Grid.Workloads) {
		return
	}
	env := require(b)
	measure(b, env, env.Grid.Workloads(), env.PipelineTrial)
}

// measure runs every case of a family.
func measure(b *testing.B, env *lab.Env, cases []lab.Case, trial func(context.Context, lab.Case) (lab.Trial, error)) {
	for _, c := range cases {
		b.Run(c.Sub(), func(b *testing.B) {
			t, err := trial(b.Context(), c)
			if errors.Is(err, lab.ErrNoPSQL) || errors.Is(err, lab.ErrNoPrepared) {
				skip(b, err)
			}
			if err != nil {
				b.Fatal(err)
			}
			env.Measure(b, t)
		})
	}
}

// measureAndEnd runs a case that has something to end, also when measuring it fails.
func measureAndEnd(b *testing.B, env *lab.Env, c lab.Case, trial func(context.Context, lab.Case) (lab.Trial, func() error, error)) {
	t, done, err := trial(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := done(); err != nil {
			b.Error(err)
		}
	}()
	env.Measure(b, t)
}

// BenchmarkCodec compresses and decompresses one batch as the source makes it.
func BenchmarkCodec(b *testing.B) {
	if listed(b, lab.Grid.Codecs) {
		return
	}
	env := require(b)
	source, err := env.Source(b.Context(), env.Grid.Rows[len(env.Grid.Rows)-1])
	if err != nil {
		b.Fatal(err)
	}
	messages, err := env.Stream(b.Context(), source)
	if err != nil {
		b.Fatal(err)
	}
	batch, err := lab.Batch(messages)
	if err != nil {
		b.Fatal(err)
	}

	for _, c := range env.Grid.Codecs() {
		b.Run(c.Sub(), func(b *testing.B) {
			codec, err := frame.ParseCodec(c.Param("codec"))
			if err != nil {
				b.Fatal(err)
			}
			pool := frame.NewPool(len(batch.Bytes))
			whole, err := pool.Encode(codec, batch.Bytes, batch.Rows)
			if err != nil {
				b.Fatal(err)
			}
			back := make([]byte, len(batch.Bytes))

			b.SetBytes(int64(len(batch.Bytes)))
			if c.Param("op") == "compress" {
				for b.Loop() {
					f, err := pool.Encode(codec, batch.Bytes, batch.Rows)
					if err != nil {
						b.Fatal(err)
					}
					f.Release()
				}
			} else {
				for b.Loop() {
					if err := whole.Decode(back); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(len(batch.Bytes))/float64(whole.Len()), "ratio")

			if err := whole.Decode(back); err != nil || !bytes.Equal(back, batch.Bytes) {
				b.Fatalf("%s does not give back what it was given: %v", codec, err)
			}
		})
	}
}

// BenchmarkHostCall calls one host function over and over from a guest.
// call-ns/op is the price of one call; ns/op that of all calls of one operation.
func BenchmarkHostCall(b *testing.B) {
	if listed(b, lab.Grid.HostCalls) {
		return
	}
	env := require(b)
	for _, c := range env.Grid.HostCalls() {
		b.Run(c.Sub(), func(b *testing.B) {
			crossing, err := lab.NewCrossing(b.Context(), c.Param("func"))
			if err != nil {
				b.Fatal(err)
			}
			defer crossing.Close(b.Context())

			// Once untimed: the frames' pool and the guest's pages fill.
			calls := crossing.Calls()
			if err := errors.Join(crossing.Prepare(calls), crossing.Call(b.Context(), calls)); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				if err := crossing.Prepare(calls); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := crossing.Call(b.Context(), calls); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*calls), "call-ns/op")
		})
	}
}

// BenchmarkModuleLoad makes a connector ready to run: compiling it, reading it
// compiled from disk, or having it already.
func BenchmarkModuleLoad(b *testing.B) {
	if listed(b, lab.Grid.ModuleLoads) {
		return
	}
	env := require(b)
	if env.Grid.Runtime != "compiled" {
		skip(b, errNothingCompiled)
	}
	for _, c := range env.Grid.ModuleLoads() {
		b.Run(c.Sub(), func(b *testing.B) { loadModule(b, env, c.Param("module"), c.Param("cache")) })
	}
}

func loadModule(b *testing.B, env *lab.Env, module, cache string) {
	ctx := b.Context()
	want := map[string]engine.LoadSource{"cold": engine.LoadCompiled, "disk": engine.LoadDisk, "memory": engine.LoadMemory}[cache]

	// The engine that is asked; a new one forgets what it has loaded, a new
	// folder what is compiled.
	var eng *engine.Engine
	renew := func(newFolder bool, dir string) string {
		var err error
		if eng != nil {
			err = eng.Close(ctx)
		}
		if err == nil && newFolder {
			dir, err = env.TempDir()
		}
		if err == nil {
			eng, err = env.NewEngine(ctx, dir)
		}
		if err != nil {
			b.Fatal(err)
		}
		return dir
	}
	dir := renew(true, "")
	defer func() { eng.Close(ctx) }()
	if cache != "cold" {
		if _, err := eng.Load(ctx, module, false); err != nil {
			b.Fatal(err)
		}
	}

	for b.Loop() {
		b.StopTimer()
		if cache != "memory" {
			dir = renew(cache == "cold", dir)
		}
		b.StartTimer()
		load, err := eng.Load(ctx, module, false)
		if err != nil {
			b.Fatal(err)
		}
		if load.Source != want {
			b.Fatalf("the module came from %q, want %q", load.Source, want)
		}
	}
}
