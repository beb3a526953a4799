package pinyon_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pinyon"
)

func Example() {
	type User struct{ Name string }
	cache, err := pinyon.New[int, User](
		pinyon.WithCapacityBytes(64<<20),
		pinyon.WithTTL(time.Hour),
		pinyon.WithValueCodec(pinyon.JSON[User]()),
	)
	if err != nil {
		panic(err)
	}
	defer cache.Close()

	fromDatabase := func(context.Context) (User, error) {
		fmt.Println("loading")
		return User{"Ada"}, nil
	}
	for range 2 {
		user, err := cache.GetOrLoad(context.Background(), 7, fromDatabase)
		fmt.Println(user.Name, err)
	}
	// Output:
	// loading
	// Ada <nil>
	// Ada <nil>
}

func ExampleBytes() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacityBytes(1 << 20))
	defer cache.Close()

	cache.SetTTL("session:7", []byte("ada"), time.Minute)
	value, ok := cache.Get("session:7")
	fmt.Printf("%s %v\n", value, ok)
	_, ok = cache.Get("session:8")
	fmt.Println(ok)
	// Output:
	// ada true
	// false
}

func ExampleBytes_GetInto() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100))
	defer cache.Close()
	cache.Set("k", []byte("value"))

	buffer := make([]byte, 0, 64) // kept for many reads
	if value, ok := cache.GetInto("k", buffer); ok {
		fmt.Printf("%s\n", value)
	}
	// Output: value
}

func ExampleBytes_View() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100))
	defer cache.Close()
	cache.Set("page", []byte("<html>"))

	cache.View("page", func(value []byte) { fmt.Println(len(value), "bytes, not copied") })
	// Output: 6 bytes, not copied
}

func ExampleBytes_MGet() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100))
	defer cache.Close()
	cache.MSet([]pinyon.Pair{{Key: "a", Value: []byte("1")}, {Key: "c", Value: []byte("3")}}, pinyon.Entry{TTL: time.Hour})

	for _, value := range cache.MGet([]string{"a", "b", "c"}) {
		fmt.Printf("%s %v\n", value, value != nil)
	}
	// Output:
	// 1 true
	//  false
	// 3 true
}

func ExampleBytes_InvalidateTag() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100))
	defer cache.Close()
	cache.SetEntry("page:1", []byte("..."), pinyon.Entry{Tags: []string{"user:7"}})
	cache.SetEntry("page:2", []byte("..."), pinyon.Entry{Tags: []string{"user:7", "user:8"}})

	cache.InvalidateTag("user:7")
	fmt.Println(cache.Contains("page:1"), cache.Contains("page:2"))
	// Output: false false
}

func ExampleBytes_Add() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100))
	defer cache.Close()
	for range 3 {
		n, _ := cache.Add("requests:10.0.0.1", 1, pinyon.Entry{TTL: time.Minute})
		fmt.Println(n)
	}
	// Output:
	// 1
	// 2
	// 3
}

func ExampleWithNegativeTTL() {
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100), pinyon.WithNegativeTTL(time.Second))
	defer cache.Close()
	fromDatabase := func(context.Context) ([]byte, error) {
		fmt.Println("asking the database")
		return nil, pinyon.ErrNotFound
	}
	for range 2 {
		_, err := cache.GetOrLoad(context.Background(), "nobody", fromDatabase)
		fmt.Println(errors.Is(err, pinyon.ErrNotFound))
	}
	// Output:
	// asking the database
	// true
	// true
}

func ExampleWithClock() {
	clock := pinyon.NewManualClock()
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100), pinyon.WithClock(clock))
	defer cache.Close()
	cache.SetTTL("k", []byte("v"), time.Hour)
	clock.Advance(time.Hour)
	fmt.Println(cache.Contains("k"))
	// Output: false
}

func ExampleWithListener() {
	told := make(chan pinyon.Removal)
	cache, _ := pinyon.NewBytes(pinyon.WithCapacity(100), pinyon.WithListener(1000, func(r pinyon.Removal) { told <- r }))
	defer cache.Close()
	cache.Set("k", []byte("v"))
	cache.Delete("k")
	r := <-told
	fmt.Printf("%s=%s %v\n", r.Key, r.Value, r.Cause)
	// Output: k=v removed
}

func ExampleBytes_BulkLoad() {
	cache, _ := pinyon.New[int, string](pinyon.WithCapacity(100))
	defer cache.Close()
	cache.Set(1, "one")
	values, err := cache.BulkLoad(context.Background(), []int{1, 2, 3}, func(_ context.Context, missing []int) (map[int]string, error) {
		fmt.Println("loading", missing)
		return map[int]string{2: "two"}, nil
	})
	fmt.Println(values, err)
	// Output:
	// loading [2 3]
	// map[1:one 2:two] <nil>
}
