package pinyon

// MGet is the values of many keys, in their order, nil for each that is not there, in one call of C for 64 of them. The values share
// one piece of memory.
func (b *Bytes) MGet(keys []string) [][]byte {
	r := rooms.Get().(*room)
	defer r.release()
	values, buffer := b.MGetInto(keys, nil, r.value)
	if cap(buffer) > cap(r.value) {
		r.value = buffer
	}
	sum := 0
	for _, value := range values {
		sum += len(value)
	}
	own := make([]byte, 0, sum)
	if b.mark == nil && len(buffer) == sum { // all values in their order, and nothing else
		own = append(own, buffer...)
	} else {
		for _, value := range values {
			own = append(own, value...)
		}
	}
	for i, value := range values {
		if value != nil {
			n := len(value)
			values[i], own = own[:n:n], own[n:]
		}
	}
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
	e := b.open.Load()
	if e == nil {
		return values, buffer
	}
	if buffer == nil {
		buffer = []byte{} // a slice of which is not nil
	}
	buffer = e.getManyInto(keys, values, buffer)
	if b.mark != nil {
		for i, value := range values {
			if b.absent(value) {
				values[i] = nil
			}
		}
	}
	return values, buffer
}

// placed appends a value to buffer, or puts it into another if there is no room, which then has some for so many of its size, as far as that
// is not much; what was put into the old one stays there.
func placed(buffer, value []byte, more int) []byte {
	if cap(buffer)-len(buffer) < len(value) {
		each := len(value) + 8
		buffer = make([]byte, 0, max(min(more, largestKept/each)*each, len(value), 2*len(buffer)))
	}
	return append(buffer, value...)
}

// last is the last n bytes of buffer, to which nothing can be appended in place.
func last(buffer []byte, n int) []byte { return buffer[len(buffer)-n : len(buffer) : len(buffer)] }

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
