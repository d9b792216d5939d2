// Package redisserver runs real Redis servers for tests, each on a loopback
// port of its own with a folder of its own.
package redisserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Server is a redis-server that a test started. It ends with the test.
type Server struct {
	Addr string // host:port

	t      testing.TB
	binary string
	dir    string
	args   []string
	auth   []string // of redis-cli
	cmd    *exec.Cmd
	log    bytes.Buffer
}

// Start runs a server with an append-only file and further lines of
// configuration, such as "maxmemory 3mb". The test is skipped, loudly, if there
// is no redis-server or valkey-server on the PATH.
func Start(t testing.TB, config ...string) *Server {
	t.Helper()
	s := newServer(t)
	s.start(append([]string{"port " + s.port()}, config...))
	return s
}

func newServer(t testing.TB) *Server {
	t.Helper()
	var binary string
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
			break
		}
	}
	if binary == "" {
		fmt.Fprintf(os.Stderr, "*** There is no redis-server on the PATH: %s is SKIPPED. ***\n", t.Name())
		t.Skip("SKIPPED: there is no redis-server on the PATH")
	}
	return &Server{t: t, binary: binary, dir: t.TempDir(), Addr: "127.0.0.1:" + FreePort(t)}
}

func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}

// start writes the configuration and runs the server until the test ends.
func (s *Server) start(config []string) {
	s.t.Helper()
	lines := append([]string{
		"bind 127.0.0.1", "dir " + s.dir, "save \"\"", "appendonly yes", "appendfsync everysec",
		"daemonize no", "protected-mode no",
	}, config...)
	path := filepath.Join(s.dir, "redis.conf")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.args = []string{path}
	s.t.Cleanup(s.Kill)
	s.Run()
}

// AsUser makes CLI log in.
func (s *Server) AsUser(user, password string) {
	s.auth = append(s.auth, "--user", user, "--pass", password)
}

// Run starts a server that was killed, and waits until it listens.
func (s *Server) Run() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 400 {
		c, err := net.Dial("tcp", s.Addr)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.Kill()
	s.t.Fatalf("redis-server does not listen:\n%s", s.log.String())
}

// Kill ends the server as a power cut would, but for what is in the kernel's
// buffers.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Forget removes what a killed server has on disk.
func (s *Server) Forget() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "appendonlydir")); err != nil {
		s.t.Fatal(err)
	}
}

// Process is the server's process, to be stopped and continued.
func (s *Server) Process() *os.Process { return s.cmd.Process }

// CLI runs redis-cli with a command, and returns what it prints.
func (s *Server) CLI(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	args = append(append([]string{"--no-auth-warning", "-h", "127.0.0.1", "-p", s.port()}, s.auth...), args...)
	out, err := exec.CommandContext(ctx, "redis-cli", args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("redis-cli %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// StartCluster runs a Cluster of n masters, with further lines of configuration.
func StartCluster(t testing.TB, n int, config ...string) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	addrs := make([]string, n)
	for i := range servers {
		servers[i] = Start(t, append([]string{
			"cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 2000", "cluster-port " + FreePort(t),
		}, config...)...)
		addrs[i] = servers[i].Addr
	}
	args := append([]string{"--cluster", "create"}, addrs...)
	if out, err := exec.Command("redis-cli", append(args, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("making the Cluster: %v\n%s", err, out)
	}
	for range 400 {
		ready := true
		for _, s := range servers {
			ready = ready && strings.Contains(s.CLI("cluster", "info"), "cluster_state:ok")
		}
		if ready {
			return servers
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("the Cluster does not get ready")
	return nil
}

// FreePort returns a TCP port that nobody listens on.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// StartSentinel runs a Sentinel that watches a master.
func StartSentinel(t testing.TB, master, host, port string) *Server {
	t.Helper()
	s := Start(t) // for the binary, the folder and the port
	s.Kill()
	path := filepath.Join(s.dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nprotected-mode no\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 2000\n",
		s.port(), s.dir, master, host, port, master, master)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{path, "--sentinel"}
	s.Run()
	return s
}
