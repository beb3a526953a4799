package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pinyon/benches"
)

// filled is what a process says of a cache that it has filled.
type filled struct {
	Entries    int   // that are there to be read
	Resident   int64 // bytes of the process above what it had without a cache, after a collection that gave back what it could
	Peak       int64 // the most there ever were, above the same
	Collection time.Duration
	Processor  time.Duration // of one collection, on all cores
	Objects    uint64        // that the collector knows of
}

const collections = 5

// fill fills a cache with n entries, looks at the memory, and then collects garbage.
func fill(name string, n int) filled {
	peer := benches.PeerOf(name)
	settle()
	before := status("VmRSS")
	cache := peer.New(n)
	room := make([]byte, 0, benches.KeySize)
	for i := range n {
		// Memory of the key's own, as that of a program which read it from somewhere; caches that copy do not keep it.
		room = benches.AppendKey(room[:0], i)
		cache.Set(string(room), benches.NewValue(i))
	}
	cache.Settle()
	settle()
	f := filled{Resident: status("VmRSS") - before, Peak: status("VmHWM") - before}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Objects = m.HeapObjects

	var times, processor []time.Duration
	for range collections {
		used, began := processorTime(), time.Now()
		runtime.GC()
		times, processor = append(times, time.Since(began)), append(processor, processorTime()-used)
	}
	f.Collection, f.Processor = median(times), median(processor)

	value := make([]byte, 0, benches.ValueSize)
	for i := range n {
		room = benches.AppendKey(room[:0], i)
		if _, ok := cache.Get(string(room), value); ok {
			f.Entries++
		}
	}
	runtime.KeepAlive(cache)
	return f
}

func settle() {
	time.Sleep(100 * time.Millisecond) // for what caches do in the background
	runtime.GC()
	debug.FreeOSMemory()
}

// status is a line of /proc/self/status, in bytes.
func status(name string) int64 {
	for _, line := range strings.Split(string(must(os.ReadFile("/proc/self/status"))), "\n") {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return must(strconv.ParseInt(strings.Fields(rest)[0], 10, 64)) << 10
		}
	}
	panic("there is no " + name)
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func filledBy(peer benches.Peer, n int) (f filled) {
	check(json.Unmarshal(child("fill", fmt.Sprint(peer.Name, ":", n)), &f))
	return f
}

func memory() {
	const n = 1_000_000
	table := rows{{"cache", "entries kept of 1 M", "bytes for each, settled", "at the peak", "objects of the collector"}}
	for _, peer := range benches.Peers {
		f := filledBy(peer, n)
		table = append(table, []string{peer.Name, fmt.Sprint(f.Entries), fmt.Sprintf("%.1f", float64(f.Resident)/float64(f.Entries)),
			fmt.Sprintf("%.1f", float64(f.Peak)/float64(f.Entries)), fmt.Sprint(f.Objects)})
	}
	fmt.Print("\n### Memory of an entry: a key of 32 bytes and a value of 64\n\n", table)
}

func collector() {
	table := rows{{"cache", "1 M: time", "processor", "5 M: time", "processor"}}
	for _, peer := range benches.Peers {
		row := []string{peer.Name}
		for _, n := range []int{1_000_000, 5_000_000} {
			f := filledBy(peer, n)
			row = append(row, milliseconds(f.Collection), milliseconds(f.Processor))
		}
		table = append(table, row)
	}
	fmt.Printf("\n### A full collection (runtime.GC(), median of %d), in milliseconds\n\n%v", collections, table)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
