//go:build unix

package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/modules/postgres"
	"github.com/testcontainers/testcontainers-go/wait"
)

// DefaultImage is the official image that the docker provider runs unless RAPIDBYTE_PG_IMAGE names another. It is
// pinned to the minor version, because numbers of two versions must not be compared.
const DefaultImage = "postgres:17.5-bookworm"

// How long an engine, and then the registry behind it, may take to answer at all. Together they stay below 15 s, so
// that a machine with an engine and no network soon gets to the next provider.
const (
	engineLimit   = 4 * time.Second
	registryLimit = 8 * time.Second
)

// The labels by which a later process finds the containers of dead ones. Paths mean something on one host only.
const (
	labelHost  = "rapidbyte.pgtest.host"
	labelOwner = "rapidbyte.pgtest.owner" // the lock file that the starting process holds; see sweep
)

// docker is a server in a container.
type docker struct {
	ctr      *postgres.PostgresContainer
	password string
	dir      string // holds only the lock file
	owner    *os.File
	watch    *watchdog
}

// startDocker starts a container.
func startDocker(ctx context.Context, o Options) (backend, string, error) {
	image := os.Getenv(envImage)
	if image == "" {
		image = DefaultImage
	}
	provider, err := dockerEngine(ctx)
	if err != nil {
		return nil, "", err
	}
	defer provider.Close()
	if err := ensureImage(ctx, provider, image, o.Log); err != nil {
		return nil, "", err
	}
	sweepContainers(ctx, provider.Client())

	// From here on a failure removes what was made.
	dir, owner, err := makeDir(account{})
	if err != nil {
		return nil, "", fmt.Errorf("pgtest: docker: %w", err)
	}
	d := &docker{password: rand.Text(), dir: dir, owner: owner}
	dsn, err := d.start(ctx, image, o.Profile)
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("pgtest: docker: %w", err), d.stop())
	}
	d.watch = watchContainer(provider.Client().DaemonHost(), d.ctr.GetContainerID(), dir)
	return d, dsn, nil
}

// dockerEngine connects to the engine. The library has no way to give up, so it is left behind if it takes too long.
//
// Its reaper, a second container that removes the first when this process is gone, is switched off unless the
// environment decides: it needs an image of its own, which a machine without a network cannot pull. Our lock, sweep
// and watchdog do its work.
func dockerEngine(ctx context.Context) (*testcontainers.DockerProvider, error) {
	const reaper = "TESTCONTAINERS_RYUK_DISABLED"
	if _, set := os.LookupEnv(reaper); !set {
		os.Setenv(reaper, "true")
		defer os.Unsetenv(reaper) // the library has read it for good
	}
	log.SetDefault(log.NewNoopLogger()) // a line on stderr would break the benchmark result it lands in

	type answer struct {
		provider *testcontainers.DockerProvider
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if r := recover(); r != nil {
				a.err = fmt.Errorf("%v", r)
			}
			answers <- a
		}()
		if a.provider, a.err = testcontainers.NewDockerProvider(); a.err == nil {
			a.err = a.provider.Health(ctx)
		}
	}()

	select {
	case a := <-answers:
		if a.err != nil {
			return nil, absentf("docker", "no engine answers (%s)", oneLine(a.err))
		}
		return a.provider, nil
	case <-time.After(engineLimit):
		return nil, absentf("docker", "the engine does not answer within %v", engineLimit)
	case <-ctx.Done():
		return nil, fmt.Errorf("pgtest: docker: %w", ctx.Err())
	}
}

// ensureImage pulls the image if the engine has none. It asks the registry for the image's description first, so that
// "no network" is told from "a slow download" within seconds.
func ensureImage(ctx context.Context, provider *testcontainers.DockerProvider, image string, notices io.Writer) error {
	cli := provider.Client()
	if _, err := cli.ImageInspect(ctx, image); err == nil {
		return nil
	}

	probe, cancel := context.WithTimeout(ctx, registryLimit)
	defer cancel()
	_, err := cli.DistributionInspect(probe, image, client.DistributionInspectOptions{})
	if err != nil && !errdefs.IsUnauthorized(err) && !errdefs.IsPermissionDenied(err) { // the pull has credentials
		return noImage(image, err)
	}
	fmt.Fprintf(notices, "# pgtest: docker: pulling %s\n", image)
	if err := provider.PullImage(ctx, image); err != nil {
		return noImage(image, err)
	}
	return nil
}

func noImage(image string, err error) error {
	return &absentError{"docker", fmt.Sprintf("the engine answers but has no image %s and cannot get it (%s); pull it where there is a network, or set %s to one it has", image, oneLine(err), envImage), true}
}

// start runs the container and waits until the server answers from outside.
func (d *docker) start(ctx context.Context, image, profile string) (string, error) {
	command := []string{"postgres"}
	for _, s := range settings(profile) {
		command = append(command, "-c", s.name+"="+s.value)
	}
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	d.ctr, err = postgres.Run(ctx, image,
		postgres.WithUsername(superuser),
		postgres.WithPassword(d.password),
		postgres.WithDatabase("postgres"),
		testcontainers.WithEnv(map[string]string{"POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C --no-sync"}),
		testcontainers.WithCmd(command...),
		// A plain stop would wait for every session to end.
		testcontainers.WithConfigModifier(func(c *container.Config) { c.StopSignal = "SIGINT" }),
		testcontainers.WithLabels(map[string]string{labelHost: host, labelOwner: d.owner.Name()}),
		// The image starts the server once for its own setup, which listens on no port, and then again.
		testcontainers.WithWaitStrategy(
			wait.ForLog("database system is ready to accept connections").WithOccurrence(2).WithStartupTimeout(startLimit)),
	)
	if err != nil {
		return "", fmt.Errorf("run %s: %w%s", image, err, d.logTail())
	}
	return d.answer(ctx)
}

// answer waits for the server's first answer. Where the published port is reached from depends on where this process
// is: beside the engine, on another machine, or in a container itself, which the library cannot always tell. So the
// library's answer, loopback and the container's own address are tried in turn.
func (d *docker) answer(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	endpoint, err := d.ctr.PortEndpoint(ctx, "5432/tcp", "")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return "", err
	}
	endpoints := []string{net.JoinHostPort("127.0.0.1", port), endpoint}
	if ip, err := d.ctr.ContainerIP(ctx); err == nil && ip != "" {
		endpoints = append(endpoints, net.JoinHostPort(ip, "5432"))
	}

	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, d.password), Path: "/postgres", RawQuery: "sslmode=disable"}
	for {
		var tried []error
		for _, u.Host = range endpoints {
			once, cancel := context.WithTimeout(ctx, time.Second) // an address that leads nowhere is not refused
			err := ping(once, u.String())
			cancel()
			if err == nil {
				return u.String(), nil
			}
			tried = append(tried, err)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the server does not answer: %w%s", errors.Join(tried...), d.logTail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *docker) restart(ctx context.Context) (string, error) {
	limit := 30 * time.Second
	if err := d.ctr.Stop(ctx, &limit); err != nil {
		return "", err
	}
	if err := d.ctr.Start(ctx); err != nil {
		return "", err
	}
	return d.answer(ctx)
}

func (d *docker) stop() error {
	var err error
	if d.ctr != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = d.ctr.Terminate(ctx, testcontainers.StopTimeout(0))
	}
	err = errors.Join(err, os.RemoveAll(d.dir))
	d.watch.release()
	if err = errors.Join(err, d.owner.Close()); err != nil {
		return fmt.Errorf("pgtest: docker: stop: %w", err)
	}
	return nil
}

// logTail returns the end of the container's log, as a further paragraph of an error.
func (d *docker) logTail() string {
	if d.ctr == nil || d.ctr.Container == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := d.ctr.Logs(ctx)
	if err != nil {
		return ""
	}
	defer r.Close()
	text, _ := io.ReadAll(r) // a server that failed to start has logged little
	return "; its log ends:\n" + tail(string(text))
}

// watchContainer removes the container when this process is gone. It needs the docker command; without one the next
// start of any process does it.
func watchContainer(engine, id, dir string) *watchdog {
	program, err := exec.LookPath("docker")
	if err != nil {
		return nil
	}
	const script = `read -r line && exit 0
"$0" -H "$1" rm -f -v "$2"
rm -rf "$3"`
	cmd := exec.Command("/bin/sh", "-c", script, program, engine, id, dir)
	cmd.SysProcAttr = account{}.attr()
	return startWatchdog(cmd)
}

// sweepContainers removes containers whose process, on this host, is dead.
func sweepContainers(ctx context.Context, cli client.APIClient) {
	host, err := os.Hostname()
	if err != nil {
		return
	}
	list, err := cli.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", labelHost+"="+host)})
	if err != nil {
		return
	}
	for _, c := range list.Items {
		if file := c.Labels[labelOwner]; file != "" && abandoned(file) {
			_, _ = cli.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
}
