package input

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"

	"github.com/klauspost/compress/zstd"
)

// How compressed data begins (RFC 1952, RFC 8878).
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// maxZstdWindow is how far back a zstd stream may refer, and so what it may
// make us hold: what zstd --long uses at most unless told more.
const maxZstdWindow = 128 << 20

// decompress returns what r holds once decompressed, as lines. It goes by how
// the data begins, not by a name: rotated logs and pipes have none that helps.
// Close does not close r.
func decompress(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 128<<10)
	// A short input gives fewer bytes and an error, which reading gives again.
	head, _ := b.Peek(len(zstdMagic))
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		return asLines(bufio.NewReader(z), z), nil
	case bytes.HasPrefix(head, zstdMagic):
		d, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return asLines(bufio.NewReader(d), d.IOReadCloser()), nil
	}
	return asLines(b, io.NopCloser(nil)), nil
}

// asLines returns what b holds, records of msgpack as lines.
func asLines(b *bufio.Reader, c io.Closer) io.ReadCloser {
	var r io.Reader = b
	if head, _ := b.Peek(1); len(head) > 0 && head[0] == packedStart {
		r = newPacked(b)
	}
	return struct {
		io.Reader
		io.Closer
	}{r, c}
}
