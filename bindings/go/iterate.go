package pinyon

import "iter"

// How many entries one page has.
const pageSize = 256

// All is every entry, in no order, by copies, read page by page. What is in the cache for the whole of an iteration is seen once;
// what comes and goes meanwhile may be seen or not. Touches nothing.
func (b *Bytes) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		var cursor uint64
		for {
			e := b.open.Load()
			if e == nil {
				return
			}
			pairs, c := e.page(&cursor, pageSize)
			for _, pair := range pairs {
				if !b.absent(pair.Value) && !yield(pair.Key, pair.Value) {
					return
				}
			}
			if c != codeOK {
				return
			}
		}
	}
}

// Keys is every key, as [Bytes.All].
func (b *Bytes) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range b.All() {
			if !yield(key) {
				return
			}
		}
	}
}
