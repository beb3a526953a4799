package pinyon

// MGet is the values of many keys, in their order, nil for each that is not there, in one call of C for 64 of them. The values share
// one piece of memory.
func (b *Bytes) MGet(keys []string) [][]byte {
	values, _ := b.MGetInto(keys, nil, nil)
	return values
}

// MGetInto is MGet into memory that is used again: values is where the slices are put, and buffer what they are slices of, as far as these
// have room. It returns both, for the next call, which writes over them.
func (b *Bytes) MGetInto(keys []string, values [][]byte, buffer []byte) ([][]byte, []byte) {
	if cap(values) < len(keys) {
		values = make([][]byte, len(keys))
	}
	values, buffer = values[:len(keys)], buffer[:0]
	clear(values)
	b.MView(keys, func(i int, value []byte) {
		if buffer == nil || cap(buffer)-len(buffer) < len(value) {
			// What was put into the old one stays there.
			buffer = make([]byte, 0, max((len(keys)-i)*(len(value)+8), 2*len(buffer)))
		}
		from := len(buffer)
		buffer = append(buffer, value...)
		values[i] = buffer[from:len(buffer):len(buffer)]
	})
	return values, buffer
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
