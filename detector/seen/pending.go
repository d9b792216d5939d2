package seen

import "context"

// Signatures ahead of their bodies, which follow in the next commits.

// Memory is one rule's seen-set.
type Memory struct{ cfg MemoryConfig }

func NewMemory(cfg MemoryConfig) *Memory                                 { return &Memory{cfg} }
func (m *Memory) Observe(terms []byte, s Sighting, b *Batch) (o Outcome) { return o }
func (m *Memory) Peek(terms []byte) (s Sighting, ok bool)                { return s, ok }
func (m *Memory) Len() int                                               { return 0 }
func (m *Memory) Oldest() (s Sighting, ok bool)                          { return s, ok }

// Store is a state folder.
type Store struct{}

func Open(dir string, o Options) (*Store, Report, error)          { return nil, Report{}, nil }
func OpenMemory(o Options) *Store                                 { return &Store{} }
func (s *Store) Rule(id string, o RuleOptions) (RuleState, error) { return RuleState{}, nil }
func (s *Store) Load(rule RuleState, m *Memory) (int, error)      { return 0, nil }
func (s *Store) Enqueue(b *Batch) Ticket                          { return Ticket{} }
func (s *Store) Wait(ctx context.Context, t Ticket) error         { return nil }
func (s *Store) Commit(ctx context.Context, b *Batch) error       { return nil }
func (s *Store) Outbox(fn func(OutboxEntry) error) error          { return nil }
func (s *Store) Stats() Stats                                     { return Stats{} }
func (s *Store) Close() error                                     { return nil }
