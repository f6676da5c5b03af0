// Command program does what leaves functions in the middle and comes back: calls
// in loops, goroutines, recovered panics, stacks that grow. It prints what it
// computed.
package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
	"unsafe"
)

func main() {
	r := rand.New(rand.NewPCG(1, 2))
	say("primes", all(primes(5000)))
	say("labels", all(labels(60)))
	say("collatz", all(collatz(3000)))
	say("state", all(state("aab+12-7*(3)//x")))
	say("backward", all(backward(40)))
	say("deep", all(deep(600, 1)))
	say("defers", all(defers(10)))
	say("panics", all(panics()))
	say("named", all(named(7)))
	say("again", all(again(3)))
	say("pingpong", all(pingpong(300)))
	say("workers", all(workers(8, 200)))
	say("selects", all(selects()))
	say("maps", all(maps(r)))
	say("sorted", all(sorted(r)))
	say("floats", all(floats()))
	say("garbage", all(garbage(r)))
	say("words", all(words(r)))
	say("closures", all(closures()))
	say("shapes", all(shapes()))
	say("iterators", all(iterators()))
	say("exit", all(exits()))
	os.Exit(7)
}

func say(name string, results []any) { fmt.Println(name, results) }

// all takes however many results a function has.
func all(results ...any) []any { return results }

// primes has a loop in a loop, neither with a call.
func primes(n int) (count, sum int) {
	not := make([]bool, n)
	for i := 2; i < n; i++ {
		if not[i] {
			continue
		}
		count++
		sum += i
		for k := i * i; k < n; k += i {
			not[k] = true
		}
	}
	return count, sum
}

// labels leaves and continues outer loops from inner ones.
func labels(n int) (x uint32) {
outer:
	for i := range n {
		for j := i; ; j++ {
			switch {
			case j%7 == 3:
				continue outer
			case j > 2*n:
				break outer
			case j%5 == 0:
				x += 3
				continue
			}
			for k := range j {
				x = x*31 + uint32(i^k)
				if x%11 == 4 {
					break
				}
				if x%13 == 5 {
					continue outer
				}
			}
		}
	}
	return x
}

func collatz(n int) (longest int) {
	for i := 1; i < n; i++ {
		steps := 0
		for v := i; v != 1; steps++ {
			if v&1 == 0 {
				v /= 2
			} else {
				v = 3*v + 1
			}
		}
		longest = max(longest, steps)
	}
	return longest
}

// state jumps between cases as a machine does, and calls in some.
func state(s string) string {
	var out strings.Builder
	i := 0
start:
	if i == len(s) {
		return out.String()
	}
	switch c := s[i]; {
	case c >= '0' && c <= '9':
		goto digit
	case c >= 'a' && c <= 'z':
		goto letter
	}
	out.WriteByte('!')
	i++
	goto start
digit:
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		out.WriteByte(s[i] + 1)
		i++
		if i%3 == 0 {
			goto letter
		}
	}
	goto start
letter:
	if i < len(s) && s[i] == '(' {
		i++
		goto digit
	}
	if i < len(s) {
		out.WriteByte('.')
		i++
	}
	goto start
}

// backward is entered in the middle of a loop that goto makes.
func backward(n int) (x int) {
	i := n
	if n%2 == 0 {
		goto middle
	}
top:
	x += i
middle:
	x = x*3 + 1
	i--
	if x > 1000 {
		x %= 97
		if i%4 == 1 {
			goto middle
		}
	}
	if i > 0 {
		goto top
	}
	return x
}

// deep grows the stack in the middle of a loop.
func deep(n, x int) int {
	var pad [80]int
	for i := range pad {
		pad[i] = x + i
	}
	if n == 0 {
		return pad[3]
	}
	sum := 0
	for i := range 2 {
		if i == 1 {
			sum += deep(n-1, x*5%1009) % 1013
		}
		sum += pad[i+2]
	}
	return sum
}

func defers(n int) (out []int) {
	for i := range n {
		defer func() { out = append(out, i) }()
		if i%3 == 0 {
			defer func() {
				for k := range i {
					out = append(out, -k)
				}
			}()
		}
	}
	return nil
}

func panics() (out []string) {
	try := func(name string, f func()) {
		defer func() {
			if v := recover(); v != nil {
				out = append(out, fmt.Sprintf("%s: %v", name, v))
			}
		}()
		f()
	}
	var nilMap map[string]int
	var nilPointer *struct{ a [100]int }
	list := []int{1, 2, 3}
	for i := range 3 {
		try("index", func() { list[i+2]++ })
		try("slice", func() { list = list[i : 2*i] })
		try("divide", func() { list[0] /= i })
		try("map", func() { nilMap["x"] = i })
		try("nil", func() { nilPointer.a[i]++ })
		try("type", func() { _ = any(i).(string) })
		try("own", func() { panic(errors.New("own")) })
		try("nested", func() {
			defer func() { panic(fmt.Sprint("again after ", recover())) }()
			for k := range 5 {
				if k == i {
					panic(k)
				}
			}
		})
	}
	return out
}

// named goes on behind a loop that a panic left, with results that have names.
func named(n int) (x int, err error) {
	defer func() {
		if v := recover(); v != nil {
			x, err = x*2, fmt.Errorf("recovered: %v", v)
		}
	}()
	for i := n; ; i-- {
		x += 100 / i
	}
}

// again recovers in each turn of a loop.
func again(n int) (sum int) {
	for i := range n {
		func() {
			defer func() { recover() }()
			for k := 2; ; k-- {
				sum += i / k
			}
		}()
	}
	return sum
}

func pingpong(n int) (x int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for v := range there {
			back <- v*3 + 1
		}
		close(back)
	}()
	for i := range n {
		there <- i ^ x&0xff
		x += <-back
	}
	close(there)
	for range back {
	}
	return x
}

func workers(n, jobs int) (sum int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	queue := make(chan int, 3)
	for w := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for job := range queue {
				v := 0
				for k := range job {
					v += k * w
					v -= k * w
					v += k
					if k%16 == 0 {
						runtime.Gosched()
					}
				}
				mu.Lock()
				sum += v
				mu.Unlock()
			}
		}()
	}
	for j := range jobs {
		queue <- j
	}
	close(queue)
	wg.Wait()
	return sum
}

func selects() (a, b, ticks int) {
	x, y, done := make(chan int), make(chan int), make(chan bool)
	go func() {
		for i := range 50 {
			x <- i
		}
		done <- true
	}()
	go func() {
		for i := range 50 {
			y <- -i
		}
		done <- true
	}()
	for left := 2; left > 0; {
		select {
		case v := <-x:
			a += v
		case v := <-y:
			b += v
		case <-done:
			left--
		}
	}
	for range 3 {
		select {
		case <-time.After(time.Millisecond):
			ticks++
		case <-x:
		}
	}
	return a, b, ticks
}

func maps(r *rand.Rand) (sum uint64) {
	m := make(map[uint64]string)
	for range 5000 {
		k := r.Uint64N(3000)
		if k%5 == 0 {
			delete(m, k/5)
			continue
		}
		m[k] += string(rune('a' + k%26))
	}
	for k, v := range m {
		sum += k * uint64(len(v))
	}
	return sum
}

func sorted(r *rand.Rand) (x uint64) {
	list := make([]int, 3000)
	for i := range list {
		list[i] = r.IntN(1000)
	}
	other := slices.Clone(list)
	sort.Ints(list)
	slices.SortFunc(other, func(a, b int) int { return b - a })
	slices.Reverse(other)
	for i := range list {
		x = x*31 + uint64(list[i])
		if list[i] != other[i] {
			return 0
		}
	}
	return x
}

func floats() (sum float64) {
	for i := 1; i < 2000; i++ {
		x := float64(i) / 7
		sum += math.Sin(x)*math.Sqrt(x) + math.Floor(x)/math.Pow(x, 1.5)
		if math.IsNaN(sum) {
			return -1
		}
	}
	return sum
}

type node struct {
	left, right *node
	value       int
}

func (n *node) insert(v int) *node {
	if n == nil {
		return &node{value: v}
	}
	if v < n.value {
		n.left = n.left.insert(v)
	} else {
		n.right = n.right.insert(v)
	}
	return n
}

func (n *node) sum(depth int) int {
	if n == nil {
		return 0
	}
	return n.value*depth + n.left.sum(depth+1) + n.right.sum(depth+1)
}

// garbage is collected while trees are walked.
func garbage(r *rand.Rand) (sum int) {
	for round := range 5 {
		var root *node
		for range 2000 {
			root = root.insert(r.IntN(10000))
		}
		runtime.GC()
		sum += root.sum(round + 1)
	}
	return sum
}

// words reads and writes memory at addresses with offsets, in loops and branches.
func words(r *rand.Rand) (x uint64) {
	buf := make([]byte, 4096)
	for i := range buf {
		buf[i] = byte(r.Uint32())
	}
	p := unsafe.Pointer(&buf[0])
	for i := 0; i+40 <= len(buf); i += 24 {
		q := unsafe.Add(p, i)
		a, b := *(*uint64)(q), *(*uint32)(unsafe.Add(q, 12))
		*(*uint64)(unsafe.Add(q, 32)) = a ^ uint64(b)
		if a&1 == 0 {
			q = unsafe.Add(q, 3)
			*(*uint16)(unsafe.Add(q, 9)) = uint16(a)
		}
		*(*uint32)(unsafe.Add(q, 4)) += b
		x += *(*uint64)(q) + uint64(*(*uint8)(unsafe.Add(q, 17)))
	}
	return x
}

func closures() (sum int) {
	var list []func(int) int
	for i := range 10 {
		total := 0
		list = append(list, func(v int) int {
			for k := range i {
				total += k * v
			}
			return total
		})
	}
	for round := range 5 {
		for _, f := range list {
			sum += f(round)
		}
	}
	return sum
}

type shape interface{ area() float64 }
type square struct{ side float64 }
type circle struct{ radius float64 }

func (s square) area() float64  { return s.side * s.side }
func (c *circle) area() float64 { return math.Pi * c.radius * c.radius }

func shapes() (sum float64) {
	for i := range 100 {
		var s shape = square{float64(i)}
		if i%3 == 0 {
			s = &circle{float64(i)}
		}
		switch s := s.(type) {
		case square:
			sum -= s.side
		case *circle:
			sum += s.radius
		}
		sum += s.area()
	}
	return sum
}

func iterators() (sum int) {
	count := func(n int) func(func(int) bool) {
		return func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		}
	}
	for a := range count(20) {
		for b := range count(a) {
			if b > 7 {
				break
			}
			sum += a * b
		}
	}
	return sum
}

// exits ends a goroutine by Goexit, which runs what it deferred.
func exits() (x int) {
	done := make(chan int)
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			defer func() { done <- i }()
			if i == 4 {
				runtime.Goexit()
			}
		}
	}()
	for v := range done {
		x = x*10 + v
	}
	return x
}
