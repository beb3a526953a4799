package pinyon

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"reflect"
	"unsafe"
)

// Codec makes bytes of a T, and a T of bytes. A codec of keys must make the same bytes of equal keys, and others of others. It is called
// from any goroutines at once.
type Codec[T any] interface {
	// Append appends the bytes of v to dst.
	Append(dst []byte, v T) ([]byte, error)
	// Decode must not keep src, nor change it: it is good for the length of the call.
	Decode(src []byte) (T, error)
}

// WithKeyCodec is how a [Cache] makes bytes of its keys; without it [CodecOf] is.
func WithKeyCodec[K any](codec Codec[K]) Option {
	return func(c *config) error {
		if codec == nil {
			return invalid("WithKeyCodec(nil)")
		}
		c.keyCodec = codec
		return nil
	}
}

// WithValueCodec is how a [Cache] makes bytes of its values; without it [CodecOf] is.
func WithValueCodec[V any](codec Codec[V]) Option {
	return func(c *config) error {
		if codec == nil {
			return invalid("WithValueCodec(nil)")
		}
		c.valueCodec = codec
		return nil
	}
}

// CodecOf is the codec of a type that has one: strings and []byte as they are; numbers, and arrays and structs of numbers
// without gaps, by their memory; what has MarshalBinary and, by pointer, UnmarshalBinary, by these.
func CodecOf[T any]() (Codec[T], error) {
	t := reflect.TypeFor[T]()
	if _, ok := any(*new(T)).(encoding.BinaryMarshaler); ok {
		if _, ok := any(new(T)).(encoding.BinaryUnmarshaler); ok {
			return marshaled[T]{}, nil
		}
	}
	switch {
	case t.Kind() == reflect.String:
		return textual[T]{}, nil
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return octets[T]{}, nil
	case fixed(t):
		return memory[T]{}, nil
	}
	return nil, invalid("there is no codec for %v: give one by WithKeyCodec or WithValueCodec, as pinyon.JSON[%v]()", t, t)
}

// fixed says that the memory of a T is its value: nothing but numbers, and no gaps, whose bytes could be any.
func fixed(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16,
		reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return fixed(t.Elem())
	case reflect.Struct:
		var end uintptr
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Offset != end || f.Name == "_" || !fixed(f.Type) {
				return false
			}
			end += f.Type.Size()
		}
		return end == t.Size()
	}
	return false
}

// floats says that a T has floating point numbers, of which some are equal with other bytes (0 and -0).
func floats(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return floats(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if floats(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// textual is the codec of a string type.
type textual[T any] struct{}

func (textual[T]) Append(dst []byte, v T) ([]byte, error) {
	return append(dst, *(*string)(unsafe.Pointer(&v))...), nil
}

func (textual[T]) Decode(src []byte) (v T, err error) {
	*(*string)(unsafe.Pointer(&v)) = string(src)
	return v, nil
}

// octets is the codec of a type of []byte.
type octets[T any] struct{}

func (octets[T]) Append(dst []byte, v T) ([]byte, error) {
	return append(dst, *(*[]byte)(unsafe.Pointer(&v))...), nil
}

func (octets[T]) Decode(src []byte) (v T, err error) {
	*(*[]byte)(unsafe.Pointer(&v)) = append([]byte{}, src...)
	return v, nil
}

// memory is the codec of what is fixed.
type memory[T any] struct{}

func (memory[T]) Append(dst []byte, v T) ([]byte, error) {
	return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))...), nil
}

func (memory[T]) Decode(src []byte) (v T, err error) {
	if len(src) != int(unsafe.Sizeof(v)) {
		return v, fmt.Errorf("pinyon: %d bytes where a %T has %d", len(src), v, unsafe.Sizeof(v))
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v)), src)
	return v, nil
}

// marshaled is the codec of what knows its bytes.
type marshaled[T any] struct{}

func (marshaled[T]) Append(dst []byte, v T) ([]byte, error) {
	if appender, ok := any(v).(encoding.BinaryAppender); ok {
		return appender.AppendBinary(dst)
	}
	data, err := any(v).(encoding.BinaryMarshaler).MarshalBinary()
	return append(dst, data...), err
}

func (marshaled[T]) Decode(src []byte) (v T, err error) {
	// UnmarshalBinary must copy what it keeps, by its contract.
	err = any(&v).(encoding.BinaryUnmarshaler).UnmarshalBinary(src)
	return v, err
}

type jsonCodec[T any] struct{}

// JSON is a codec by encoding/json.
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	data, err := json.Marshal(v)
	return append(dst, data...), err
}

func (jsonCodec[T]) Decode(src []byte) (v T, err error) {
	err = json.Unmarshal(src, &v)
	return v, err
}

type gobCodec[T any] struct{}

// Gob is a codec by encoding/gob, for values: each carries the description of its type, which takes longer than JSON for small ones.
func Gob[T any]() Codec[T] { return gobCodec[T]{} }

func (gobCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	err := gob.NewEncoder(out).Encode(&v)
	return out.Bytes(), err
}

func (gobCodec[T]) Decode(src []byte) (v T, err error) {
	err = gob.NewDecoder(bytes.NewReader(src)).Decode(&v)
	return v, err
}
