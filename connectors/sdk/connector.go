package sdk

import "github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"

// Connector is what every role has in common. The calls of one connector never
// overlap.
type Connector interface {
	// Open reads the configuration and prepares for work; connections are
	// usually opened here. The host, the request and the configuration stay
	// valid until Close.
	Open(h *Host, req *abi.OpenRequest, c Config) error
	// Check looks at everything a run needs, changes nothing, and says in one
	// line what it found good.
	Check() (*abi.CheckReport, error)
	// Close gives everything back. It is called once after every Open, also
	// after one that failed or panicked, so it must cope with a half-open state.
	Close() error
}

// Source reads streams.
type Source interface {
	Connector
	// Discover lists the streams that Read can move.
	Discover() (*abi.Catalog, error)
	// Read moves one stream: it emits one schema message, any number of batches,
	// and the end-of-stream message, then returns. It is called once a stream.
	Read(req *abi.RunRequest) error
}

// Destination writes streams.
type Destination interface {
	Connector
	// Write takes messages with [Host.Next] until the end of the stream and makes
	// the rows visible, all or none. Input that ends (io.EOF) without an
	// end-of-stream message was cut off: nothing may become visible.
	Write(req *abi.RunRequest) error
}

// Partitioner is a source or a destination that moves a stream in several
// partitions at the same time if it is asked to; the manifest says parallel then.
// A source that has one partition to read puts that into its answer, too.
type Partitioner interface {
	// Partition says in which partitions the stream can be moved. Read and Write
	// of other instances find them in their requests. What it holds for them, such
	// as a snapshot, it holds until Close.
	Partition(req *abi.PartitionRequest) (*abi.Partitions, error)
}

// PartitionedDestination is a destination that writes a stream in partitions.
type PartitionedDestination interface {
	Destination
	Partitioner
	// Finish makes the rows of all partitions visible, or none and leaves nothing
	// of them. It may be called again for what it has done already.
	Finish(req *abi.FinishRequest) error
}

// Transform changes a stream on its way.
type Transform interface {
	Connector
	// Transform takes messages with [Host.Next] and emits others until the end
	// of the stream, whose message it emits too.
	Transform(req *abi.RunRequest) error
}

// SourceGuest makes a guest of a source. The constructor runs once per
// instance.
func SourceGuest(newSource func() Source) func(abi.Host) abi.Guest {
	return func(h abi.Host) abi.Guest {
		s := newSource()
		g := &guest{host: NewHost(h), role: abi.RoleSource, connector: s, discover: s.Discover, run: s.Read}
		if p, ok := s.(Partitioner); ok {
			g.partition = p.Partition
		}
		return g
	}
}

// DestinationGuest makes a guest of a destination. The constructor runs once
// per instance.
func DestinationGuest(newDestination func() Destination) func(abi.Host) abi.Guest {
	return func(h abi.Host) abi.Guest {
		d := newDestination()
		g := &guest{host: NewHost(h), role: abi.RoleDestination, connector: d, run: d.Write}
		if p, ok := d.(PartitionedDestination); ok {
			g.partition, g.finish = p.Partition, p.Finish
		}
		return g
	}
}

// TransformGuest makes a guest of a transform. The constructor runs once per
// instance.
func TransformGuest(newTransform func() Transform) func(abi.Host) abi.Guest {
	return func(h abi.Host) abi.Guest {
		t := newTransform()
		return &guest{host: NewHost(h), role: abi.RoleTransform, connector: t, run: t.Transform}
	}
}
