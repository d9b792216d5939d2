package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"

	jsoniter "github.com/json-iterator/go"
	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/detector/mapping"
)

// chunkSize is about what Fluent Bit makes a chunk.
const chunkSize = 2 << 20

// log is the audit log that is measured with, in the forms that it comes in.
type log struct {
	lines  [][]byte // JSON
	chunks [][]byte // the events as records, as Fluent Bit's JSON parser makes them
	texts  [][]byte // records that hold an event's JSON text under "log"
	ecs    [][]byte // the events' ECS documents as records
}

// readLog reads a gzipped file of audit events, one a line.
func readLog(path string) (*log, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	l := &log{lines: bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))}
	var events, texts, docs chunker
	documents := &documents{out: &docs}
	reader := mapping.NewPlan(mapping.Options{}).NewReader()
	var body []byte
	for i, line := range l.lines {
		if body, err = appendJSON(body[:0], line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		events.add(uint32(i), body)
		text := msgp.AppendMapHeader(nil, 2)
		text = msgp.AppendString(msgp.AppendString(text, "stream"), "stdout")
		text = msgp.AppendStringFromBytes(msgp.AppendString(text, "log"), line)
		texts.add(uint32(i), text)
		if err := reader.Line(line, int64(epoch+i)*1e9, i, documents); err != nil || documents.err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	l.chunks, l.texts, l.ecs = events.chunks, texts.chunks, docs.chunks
	return l, nil
}

// epoch is the time of the first record, in seconds. It lies in the past, so
// that no time is clamped, and within every rule's window of the last.
const epoch = 1_700_000_000

// documents makes records of the ECS documents of events.
type documents struct {
	out *chunker
	err error
}

func (d *documents) Event(ev *mapping.Event) {
	ref := ev.Ref()
	doc, err := ref.Document()
	if err != nil {
		d.err = err
		return
	}
	// What data stream and agent add.
	doc["data_stream"] = map[string]any{"type": "logs", "dataset": mapping.Dataset, "namespace": "default"}
	doc["host"] = map[string]any{"os": map[string]any{"type": "linux"}, "name": "node-1"}
	event, _ := doc["event"].(map[string]any)
	event["dataset"] = mapping.Dataset
	d.out.add(uint32(ev.Record), appendSorted(nil, doc))
}

// chunker gathers records into chunks.
type chunker struct{ chunks [][]byte }

// add adds the record with this body, a map, second seconds after the epoch. It
// does so as Fluent Bit's encoder does: with a length of 32 bits before the body,
// and before the metadata, which is empty.
func (c *chunker) add(second uint32, body []byte) {
	n := len(c.chunks)
	if n == 0 || len(c.chunks[n-1])+len(body) > chunkSize {
		c.chunks = append(c.chunks, make([]byte, 0, chunkSize+(4<<10)))
		n++
	}
	sec := epoch + second/100
	b := append(c.chunks[n-1], 0x92, 0x92, 0xd7, 0, byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec), 0, 0, 0, 0,
		0xdf, 0, 0, 0, 0, 0xdf)
	entries, rest, err := msgp.ReadMapHeaderBytes(body)
	if err != nil {
		panic(err) // body was made here
	}
	c.chunks[n-1] = append(binary.BigEndian.AppendUint32(b, entries), rest...)
}

// appendJSON appends a JSON text as msgpack, its keys in their order.
func appendJSON(dst, text []byte) ([]byte, error) {
	it := jsoniter.ConfigDefault.BorrowIterator(text)
	defer jsoniter.ConfigDefault.ReturnIterator(it)
	dst = appendNext(dst, it)
	if it.Error != nil && it.Error != io.EOF {
		return dst, it.Error
	}
	return dst, nil
}

func appendNext(dst []byte, it *jsoniter.Iterator) []byte {
	switch it.WhatIsNext() {
	case jsoniter.StringValue:
		return msgp.AppendString(dst, it.ReadString())
	case jsoniter.BoolValue:
		return msgp.AppendBool(dst, it.ReadBool())
	case jsoniter.NumberValue:
		n := it.ReadNumber()
		if i, err := n.Int64(); err == nil {
			return msgp.AppendInt64(dst, i)
		}
		f, _ := n.Float64()
		return msgp.AppendFloat64(dst, f)
	case jsoniter.ArrayValue:
		var inner []byte
		var n uint32
		it.ReadArrayCB(func(it *jsoniter.Iterator) bool {
			inner = appendNext(inner, it)
			n++
			return true
		})
		return append(msgp.AppendArrayHeader(dst, n), inner...)
	case jsoniter.ObjectValue:
		var inner []byte
		var n uint32
		it.ReadMapCB(func(it *jsoniter.Iterator, key string) bool {
			inner = appendNext(msgp.AppendString(inner, key), it)
			n++
			return true
		})
		return append(msgp.AppendMapHeader(dst, n), inner...)
	}
	it.Skip()
	return msgp.AppendNil(dst)
}

// appendSorted appends a value as msgpack, maps by the order of their keys.
func appendSorted(dst []byte, val any) []byte {
	switch val := val.(type) {
	case map[string]any:
		keys := make([]string, 0, len(val))
		for k := range val {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		dst = msgp.AppendMapHeader(dst, uint32(len(keys)))
		for _, k := range keys {
			dst = appendSorted(msgp.AppendString(dst, k), val[k])
		}
		return dst
	case []any:
		dst = msgp.AppendArrayHeader(dst, uint32(len(val)))
		for _, e := range val {
			dst = appendSorted(dst, e)
		}
		return dst
	}
	out, err := msgp.AppendIntf(dst, val)
	if err != nil {
		panic(err) // a document holds nothing that msgpack has not
	}
	return out
}
