package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// client talks to one LXD over its socket, about one project.
type client struct {
	http    http.Client
	project string
}

// failure is what the daemon answered.
type failure struct {
	code    int
	message string
}

func (f failure) Error() string { return f.message }

func missing(err error) bool {
	var answered failure
	return errors.As(err, &answered) && answered.code == http.StatusNotFound
}

// socketPath looks where the real client looks.
func socketPath(address string) string {
	if named := strings.TrimPrefix(address, "unix://"); named != "" {
		return named
	}
	if socket := os.Getenv("LXD_SOCKET"); socket != "" {
		return socket
	}
	if dir := os.Getenv("LXD_DIR"); dir != "" {
		return filepath.Join(dir, "unix.socket")
	}
	const writable = 2
	snap := "/var/snap/lxd/common/lxd/unix.socket"
	if syscall.Access(snap, writable) == nil {
		return snap
	}
	return "/var/lib/lxd/unix.socket"
}

// connect also asks once, so that a socket that is missing or forbidden is told before anything is tried.
func connect(ctx context.Context, address, project string) (*client, error) {
	socket := socketPath(address)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	c := &client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, project}
	return c, c.get(ctx, "/1.0", nil)
}

type answer struct {
	Type      string          `json:"type"`
	Error     string          `json:"error"`
	Code      int             `json:"error_code"`
	Operation string          `json:"operation"`
	Metadata  json.RawMessage `json:"metadata"`
}

// send asks, and waits where the daemon answers with an operation.
func (c *client) send(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	address := "http://unix.socket" + path + separator + "project=" + url.QueryEscape(c.project)
	if path == "/1.0" {
		address = "http://unix.socket/1.0"
	}
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	}
	defer response.Body.Close()
	var got answer
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		return fmt.Errorf("%s %s: %s: %w", method, path, response.Status, err)
	}
	switch {
	case got.Type == "error":
		return failure{got.Code, got.Error}
	case got.Type == "async":
		return c.wait(ctx, got.Operation)
	case into != nil:
		return json.Unmarshal(got.Metadata, into)
	}
	return nil
}

func (c *client) wait(ctx context.Context, operation string) error {
	var done struct {
		Code  int    `json:"status_code"`
		Error string `json:"err"`
	}
	operation, _, _ = strings.Cut(operation, "?")
	if err := c.get(ctx, operation+"/wait", &done); err != nil {
		return err
	}
	if done.Code != http.StatusOK {
		return failure{done.Code, done.Error}
	}
	return nil
}

func (c *client) get(ctx context.Context, path string, into any) error {
	return c.send(ctx, http.MethodGet, path, nil, into)
}
