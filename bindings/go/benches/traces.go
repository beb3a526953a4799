package benches

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Trace is the keys of requests, in order: each is "get, and set on a miss".
type Trace struct {
	Name   string
	Keys   []uint64
	Unique int
}

const traceSuffix = ".u64.zst"

// The repository's own trace, as seen from the folder of this module.
const ownTraces = "../../../examples/traces"

// TraceFiles is the traces of a folder; of the repository's own if folder is "", which works from this module's folder.
func TraceFiles(folder string) ([]string, error) {
	if folder == "" {
		folder = ownTraces
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"+traceSuffix))
	if err == nil && len(files) == 0 {
		err = errors.New("no *" + traceSuffix + " in " + folder + ": run this in bindings/go/benches, or give a folder in TRACES")
	}
	slices.Sort(files)
	return files, err
}

// ReadTrace reads a file of keys: 64 bits each, the least significant byte first, compressed by zstd.
func ReadTrace(path string) (*Trace, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	data, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	t := &Trace{Name: strings.TrimSuffix(filepath.Base(path), traceSuffix), Keys: make([]uint64, len(data)/8)}
	unique := make(map[uint64]struct{})
	for i := range t.Keys {
		t.Keys[i] = binary.LittleEndian.Uint64(data[8*i:])
		unique[t.Keys[i]] = struct{}{}
	}
	t.Unique = len(unique)
	return t, nil
}
