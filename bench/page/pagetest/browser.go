// Package pagetest reads pages the way a browser does, for tests.
package pagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Variables that say which browser to use, and that a test without one has to fail.
const (
	browserVariable = "RAPIDBYTE_CHROMIUM"
	requireVariable = "RAPIDBYTE_CHROMIUM_REQUIRE"
)

// patience is how long a browser may take to start and to show a page; a busy machine needs a few seconds.
const patience = 90 * time.Second

// Dump is a page as the browser has it once its scripts have run.
type Dump struct {
	DOM string // serialized
	// Problems are the script errors and refused requests, as the browser's console and the page itself tell them.
	Problems []string
}

// Option changes how a page is opened.
type Option string

// Dark opens a page as on a system whose user prefers dark colours.
const Dark Option = "--blink-settings=preferredColorScheme=0"

// Phone opens a page in a narrow window: as a phone's, or the narrowest the browser allows.
const Phone Option = "--window-size=400,900"

// Open opens the file in Chromium and returns its text. It fails the test if a script failed or anything was to be fetched.
// Without a browser the test is skipped, or fails if RAPIDBYTE_CHROMIUM_REQUIRE=1.
func Open(tb testing.TB, path string, options ...Option) string {
	tb.Helper()
	d := Load(tb, path, options...)
	for _, p := range d.Problems {
		tb.Errorf("%s: %s", filepath.Base(path), p)
	}
	return Text(d.DOM)
}

// Load opens the file in Chromium as Open does and leaves it to the caller what to make of problems.
func Load(tb testing.TB, path string, options ...Option) Dump {
	tb.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		tb.Fatal(err)
	}
	stdout, stderr := run(tb, append(flags(options), "--dump-dom", address(path)))
	d := Dump{DOM: stdout}
	if !strings.Contains(stdout, "</html>") {
		d.Problems = append(d.Problems, "the browser shows no page: "+stderr)
	}
	for line := range strings.Lines(stderr) {
		if console.MatchString(line) {
			d.Problems = append(d.Problems, strings.TrimSpace(line))
		}
	}
	if m := said.FindStringSubmatch(stdout); m != nil && m[1] != "" {
		d.Problems = append(d.Problems, Text(m[1]))
	}
	return d
}

var (
	// console matches what the browser logs about a page's scripts, not about itself.
	console = regexp.MustCompile(`CONSOLE.*(Uncaught|rror|Refused|iolates|not allowed)`)
	// said matches what the page itself shows about its scripts.
	said = regexp.MustCompile(`(?s)<p id="script-error"[^>]*>(.*?)</p>`)
)

func address(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

func flags(options []Option) []string {
	all := []string{"--headless", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions",
		"--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--enable-logging=stderr",
		"--virtual-time-budget=3000",
		// Root and many containers cannot have a sandbox, and the pages are our own.
		"--no-sandbox"}
	for _, o := range options {
		all = append(all, string(o))
	}
	return all
}

// run runs the browser in a profile of its own.
func run(tb testing.TB, args []string) (stdout, stderr string) {
	tb.Helper()
	browser, err := find()
	if err != nil {
		if os.Getenv(requireVariable) == "1" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	profile, err := os.MkdirTemp("", "pagetest-")
	if err != nil {
		tb.Fatal(err)
	}
	defer os.RemoveAll(profile)
	cmd := exec.CommandContext(ctx, browser, append([]string{"--user-data-dir=" + profile}, args...)...)
	// Its children may hold the streams for a moment longer.
	cmd.WaitDelay = 5 * time.Second
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		tb.Fatalf("%s: %v\n%s", browser, err, problems.String())
	}
	return out.String(), problems.String()
}

// find returns the browser's path.
func find() (string, error) {
	if path := os.Getenv(browserVariable); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no Chromium: install Debian's package chromium, or set %s to a browser", browserVariable)
}

var (
	silent = regexp.MustCompile(`(?s)<(script|style)\b[^>]*>.*?</(script|style)>`)
	breaks = regexp.MustCompile(`<wbr ?/?>`)
	tags   = regexp.MustCompile(`(?s)<[^>]*>`)
	spaces = regexp.MustCompile(`[ \t\n]+`)
)

// Text returns what can be read in a document: without tags, scripts and styles, each run of white space as one space.
func Text(document string) string {
	s := silent.ReplaceAllString(document, " ")
	s = breaks.ReplaceAllString(s, "")
	s = tags.ReplaceAllString(s, " ")
	return strings.TrimSpace(spaces.ReplaceAllString(html.UnescapeString(s), " "))
}
