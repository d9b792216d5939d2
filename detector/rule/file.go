package rule

import (
	"errors"
	"fmt"
	"io"
	"os"

	"fluent-bit-newterms/detector/limits"
)

var errNoFile = errors.New("is not a regular file")

// readFile reads a regular file of at most limits.ConfigFileBytes. It opens
// nothing else: a pipe would be waited for, and a device has no end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Path: path, Err: errNoFile}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limits.ConfigFileBytes+1))
	if err == nil && len(data) > limits.ConfigFileBytes {
		err = &os.PathError{Path: path, Err: fmt.Errorf("it has more than %d MiB", limits.ConfigFileBytes>>20)}
	}
	return data, err
}
