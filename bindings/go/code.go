package pinyon

import (
	"errors"
	"fmt"
)

// code is what an engine answers: 0 is done, positive an outcome to expect, negative an error. The numbers are those of
// pinyon.h, so that the native engine hands its own on.
type code int32

const (
	codeOK         code = 0
	codeMiss       code = 1
	codeNotStored  code = 2
	codeTooHeavy   code = 3
	codeTooSmall   code = 4
	codeLead       code = 5
	codeWait       code = 6
	codeStale      code = 7
	codeTimedOut   code = 8
	codeOvertaken  code = 9
	codeLapsed     code = 10
	codeOwnKey     code = 11
	codeEnd        code = 12
	codeMore       code = 13
	codeArgument   code = -2
	codeMemory     code = -4
	codeNotCounter code = -5
	codeOverflow   code = -6
)

var (
	// ErrClosed is returned by writes and loads of a cache after its Close; other calls find nothing.
	ErrClosed = errors.New("pinyon: the cache is closed")
	// ErrNotFound says that nothing is there under the key. A loader returns it, or an error that wraps it, to say that its
	// source has nothing either; with [WithNegativeTTL] that is remembered.
	ErrNotFound = errors.New("pinyon: not found")
	// ErrTooHeavy says that an entry is heavier than the whole cache. It was not stored, and what it was to replace is gone.
	ErrTooHeavy = errors.New("pinyon: the entry is heavier than the whole cache, so it was not stored; raise the capacity or give a smaller weight")
	// ErrInvalid is the kind of all errors about settings and arguments; their texts name the argument and the remedy.
	ErrInvalid = errors.New("pinyon: invalid argument")
	// ErrMemory says that the system gave no memory for a value. Nothing was changed.
	ErrMemory = errors.New("pinyon: no memory for the value; nothing was changed")
	// ErrNotCounter says that a value is no counter: eight bytes, the least significant first.
	ErrNotCounter = errors.New("pinyon: the value is not a counter: eight bytes, the least significant first")
	// ErrOverflow says that a counter would pass the range of an int64. It was not changed.
	ErrOverflow = errors.New("pinyon: the counter would pass the range of int64; it was not changed")
	// ErrRecursiveLoad says that a loader waits, directly or through other loads, for the very load it runs for.
	ErrRecursiveLoad = errors.New("pinyon: a loader asks for a key whose load waits for that loader; load the key elsewhere, or outside of the loader")
)

// err is the error of a code; nil of the outcomes that are no errors.
func (c code) err() error {
	switch {
	case c == codeTooHeavy:
		return ErrTooHeavy
	case c >= 0:
		return nil
	case c == codeMemory:
		return ErrMemory
	case c == codeNotCounter:
		return ErrNotCounter
	case c == codeOverflow:
		return ErrOverflow
	case c == codeArgument:
		return ErrInvalid
	}
	return fmt.Errorf("pinyon: code %d: a defect of the library, of which please tell its authors", int32(c))
}

func invalid(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, values...))
}

// PairError is the error of one pair among many.
type PairError struct {
	Index int
	Key   string
	Err   error
}

func (e *PairError) Error() string {
	return fmt.Sprintf("pinyon: pair %d, key %q: %v", e.Index, e.Key, e.Err)
}

func (e *PairError) Unwrap() error { return e.Err }
