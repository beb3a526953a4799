// Command report measures what benchmarks of calls do not show well, and prints it as tables of Markdown: calls beside each other, hit ratios on traces,
// memory for each entry, and what a garbage collection takes. Run it in the folder of the module:
//
//	TRACES=folder go run ./cmd/report [calls] [hits] [memory] [collector]
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 4 && os.Args[1] == "child" {
		runChild(os.Args[2], os.Args[3])
		return
	}
	wanted := os.Args[1:]
	if len(wanted) == 0 {
		wanted = []string{"calls", "hits", "memory", "collector"}
	}
	parts := map[string]func(){"calls": calls, "hits": hitRatios, "memory": memory, "collector": collector}
	for _, name := range wanted {
		if parts[name] == nil {
			log.Fatalf("there is no part %q: calls, hits, memory, collector", name)
		}
	}
	fmt.Printf("%s, %s, %s/%s, %d cores\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, name := range wanted {
		parts[name]()
	}
}

// child does one measurement in a process of its own, so that none has the heap of another; it returns its JSON.
func child(what, of string) []byte {
	command := exec.Command(must(os.Executable()), "child", what, of)
	command.Stderr = os.Stderr
	return must(command.Output())
}

func runChild(what, of string) {
	var result any
	switch what {
	case "hits":
		result = playAll(of)
	case "fill":
		name, n, _ := strings.Cut(of, ":")
		result = fill(name, must(strconv.Atoi(n)))
	}
	check(json.NewEncoder(os.Stdout).Encode(result))
}

// rows is a table, its head first.
type rows [][]string

func (r rows) String() string {
	var text strings.Builder
	for i, row := range r {
		text.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			text.WriteString("|---" + strings.Repeat("|--:", len(row)-1) + "|\n")
		}
	}
	return text.String()
}

func median[T int64 | float64 | time.Duration](of []T) T {
	slices.Sort(of)
	return of[len(of)/2]
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
