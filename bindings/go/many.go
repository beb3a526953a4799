package pinyon

// MGet is the values of many keys, in their order, nil for each that is not there, in one call of C for 64 of them. The values
// share one piece of memory. dst is where they are put, if it has room; it may be nil.
func (b *Bytes) MGet(keys []string, dst [][]byte) [][]byte {
	if cap(dst) < len(keys) {
		dst = make([][]byte, len(keys))
	}
	dst = dst[:len(keys)]
	clear(dst)
	var arena []byte
	b.MView(keys, func(i int, value []byte) {
		if arena == nil || cap(arena)-len(arena) < len(value) {
			// What was given out stays where it is.
			arena = make([]byte, 0, max((len(keys)-i)*(len(value)+8), len(value)))
		}
		from := len(arena)
		arena = append(arena, value...)
		dst[i] = arena[from:len(arena):len(arena)]
	})
	return dst
}

// MView calls look with the value of each key that is there, in their order, as [Bytes.View] does.
func (b *Bytes) MView(keys []string, look func(i int, value []byte)) {
	e := b.open.Load()
	if e == nil {
		return
	}
	if b.mark == nil {
		e.getMany(keys, look)
		return
	}
	e.getMany(keys, func(i int, value []byte) {
		if !b.absent(value) {
			look(i, value)
		}
	})
}

// MSet writes many pairs, each as [Bytes.SetEntry] does, in one call of C for 64 of them. The error is that of the first pair that
// was not stored; the others are.
func (b *Bytes) MSet(pairs []Pair, entry Entry) error {
	w, err := entry.write()
	if err != nil {
		return err
	}
	e := b.open.Load()
	if e == nil {
		return ErrClosed
	}
	codes := make([]code, len(pairs))
	e.setMany(pairs, w, codes)
	for i, c := range codes {
		if err := c.err(); err != nil {
			return &PairError{i, pairs[i].Key, err}
		}
	}
	return nil
}

// MDelete removes many entries, and returns how many there were.
func (b *Bytes) MDelete(keys []string) (removed int) {
	e := b.open.Load()
	if e == nil {
		return 0
	}
	if b.mark != nil {
		for _, key := range keys {
			if b.Delete(key) {
				removed++
			}
		}
		return removed
	}
	codes := make([]code, len(keys))
	e.removeMany(keys, codes)
	for _, c := range codes {
		if c == codeOK {
			removed++
		}
	}
	return removed
}
