//go:build unix

package pgtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// engineFor returns the Docker engine of a test, which is skipped if the machine has none.
func engineFor(t *testing.T) *testcontainers.DockerProvider {
	t.Helper()
	if testing.Short() {
		t.Skip("docker takes long")
	}
	provider, err := dockerEngine(t.Context())
	if errors.Is(err, ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	return provider
}

// imageFor returns the image that RAPIDBYTE_PG_IMAGE names, else the official one, else one built from Debian's
// packages. The last is named after the script that builds it, and so is built once.
func imageFor(t *testing.T, provider *testcontainers.DockerProvider) string {
	t.Helper()
	if image := os.Getenv(envImage); image != "" {
		return image
	}
	missing := ensureImage(t.Context(), provider, DefaultImage, io.Discard)
	if missing == nil {
		return DefaultImage
	}

	hash := sha256.New()
	for _, name := range []string{"build-image.sh", "entrypoint.sh"} {
		text, err := os.ReadFile(filepath.Join("testdata", "docker", name))
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(text)
	}
	image := fmt.Sprintf("rapidbyte-pgtest:%x", hash.Sum(nil)[:4])
	if _, err := provider.Client().ImageInspect(t.Context(), image); err == nil {
		return image
	}
	for _, need := range []string{"docker", "dpkg", "setpriv"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("%v; and no image can be built: %v", missing, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join("testdata", "docker", "build-image.sh"), image)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+provider.Client().DaemonHost())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v; and the build of another failed: %v\n%s", missing, err, out)
	}
	return image
}

// containers returns the identifiers of the containers that a lock file belongs to.
func containers(t *testing.T, cli client.APIClient, owner string) (ids []string) {
	t.Helper()
	list, err := cli.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelOwner+"="+owner)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		ids = append(ids, c.ID)
	}
	return ids
}

func TestDocker(t *testing.T) {
	provider := engineFor(t)
	image := imageFor(t, provider)
	unset(t)
	t.Setenv(envImage, image)

	s := startFor(t, Options{Provider: "docker", Profile: Durable})
	t.Logf("Postgres %s from the image %s", s.Version, image)
	wantProfile(t, s, Durable)
	d := s.server.(*docker)
	if got := containers(t, provider.Client(), d.owner.Name()); len(got) != 1 || got[0] != d.ctr.GetContainerID() {
		t.Errorf("containers of this server: %v, want %s", got, d.ctr.GetContainerID())
	}

	const name = "kept"
	dsn, err := s.CreateDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := Seed(t.Context(), dsn, "bench_events", 7); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := value[int](t, s.DSNFor(name), "SELECT count(*) FROM bench_events"); got != 7 {
		t.Errorf("after the restart the table holds %d rows, want 7", got)
	}
	if got := os.Getenv(envDSN); got != s.DSN() {
		t.Errorf("after the restart the DSN handed down is %q, want %q", got, s.DSN())
	}

	// A sweep by another process spares a living one's container and takes a dead one's, here one whose lock is gone.
	ctx := context.Background()
	sweepContainers(ctx, provider.Client())
	if got := containers(t, provider.Client(), d.owner.Name()); len(got) != 1 {
		t.Errorf("a sweep took the container of a living process")
	}
	d.owner.Close()
	sweepContainers(ctx, provider.Client())
	if got := containers(t, provider.Client(), d.owner.Name()); len(got) != 0 {
		t.Errorf("a sweep left the container of a dead process: %v", got)
	}
	d.watch.release()
	s.server = nil // there is nothing left to stop
	if err := os.RemoveAll(d.dir); err != nil {
		t.Error(err)
	}
}

// A closed server leaves no container, and one whose process was killed loses it by the watchdog.
func TestDockerEnd(t *testing.T) {
	provider := engineFor(t)
	image := imageFor(t, provider)
	unset(t)
	t.Setenv(envImage, image)

	s := startFor(t, Options{Provider: "docker"})
	wantProfile(t, s, Quiet)
	d := s.server.(*docker)
	owner := d.owner.Name()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := containers(t, provider.Client(), owner); len(left) != 0 {
		t.Errorf("Close left %v", left)
	}

	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("the watchdog needs the docker command")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"=1", envProvider+"=docker")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("docker "))
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "docker " {
		t.Fatalf("the child says %q, %v", line, err)
	}
	mine := ownedBy(t, cmd.Process.Pid)
	if len(containers(t, provider.Client(), mine)) != 1 {
		t.Fatalf("no container belongs to %s", mine)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for end := time.Now().Add(time.Minute); len(containers(t, provider.Client(), mine)) != 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a minute later the container of a killed process is there")
		}
	}
}

// ownedBy returns the lock file that a process holds open.
func ownedBy(t *testing.T, pid int) string {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && strings.Contains(target, dirPrefix) {
			return target
		}
	}
	t.Skip("no /proc to find the container's lock file by")
	return ""
}

// An engine that cannot get the image is passed over, and the person is told in one line.
func TestDockerWithoutImage(t *testing.T) {
	engineFor(t)
	have, stopped := Shared(t), false
	unset(t)
	t.Setenv(envImage, "127.0.0.1:1/none:1") // a registry that refuses the connection
	works := launcher{"works", func(context.Context, Options) (backend, string, error) {
		return fake{have.DSN(), &stopped}, have.DSN(), nil
	}}

	var log bytes.Buffer
	s, err := Start(t.Context(), Options{Log: &log, launchers: []launcher{{"docker", startDocker}, works}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := log.String()
	if !strings.HasPrefix(got, "# pgtest: docker: the engine answers but has no image 127.0.0.1:1/none:1 and cannot get it (") ||
		!strings.HasSuffix(got, "or set RAPIDBYTE_PG_IMAGE to one it has; trying the next provider\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("the notice is %q", got)
	}
}

// A container whose server does not start fails with the server's own words.
func TestDockerStartFailure(t *testing.T) {
	provider := engineFor(t)
	image := imageFor(t, provider)
	unset(t)
	t.Setenv(envImage, image)
	dir, owner, err := makeDir(account{})
	if err != nil {
		t.Fatal(err)
	}
	d := &docker{dir: dir, owner: owner} // without a password, which the image insists on
	_, err = d.start(t.Context(), image, Quiet)
	if err == nil || !strings.Contains(err.Error(), "; its log ends:\n") || !strings.Contains(err.Error(), "POSTGRES_PASSWORD") {
		t.Errorf("error is %v, want the container's log in it", err)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if left := containers(t, provider.Client(), owner.Name()); len(left) != 0 {
		t.Errorf("the failed start left %v", left)
	}
}
