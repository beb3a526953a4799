package pinyon

import "fmt"

// Policy is which entries leave when there is need for room.
type Policy uint32

const (
	// ClockTinyLFU keeps what is used often, with a window for what is new that adapts: the best hit ratios.
	ClockTinyLFU Policy = 0
	// Clock keeps what was used lately: the least work for a write.
	Clock Policy = 1
)

func (p Policy) String() string {
	switch p {
	case ClockTinyLFU:
		return "clock-tinylfu"
	case Clock:
		return "clock"
	}
	return fmt.Sprintf("Policy(%d)", uint32(p))
}
