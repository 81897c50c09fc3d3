// Package journal keeps what is acknowledged and not yet in tasks.json.
//
// A Journal is an append-only file of Records, one status change each. Append
// returns when a record is accepted and calls acked when it is on stable
// storage; one fdatasync acknowledges everybody who waits. Flushed says that
// tasks.json holds the records up to a number, so that they need not be kept.
// Read tells, after a crash, what was acknowledged.
//
// # The file
//
//	header  "hackyjnl", version u32 = 1, CRC32C u32 of the rest, base [32]byte
//	frame   "frme", length u32 of the payload, CRC32C u32 of number and payload, number u64
//	payload records: kind u8, seq u64, at i64 (Unix nanoseconds), from u8, to u8, id length u8, id
//	        with kind 3 there follow: work [32]byte, title length u16, title
//	        or, with kind 2, "flushed": seq u64 up to which tasks.json has everything, base [32]byte
//
// Numbers are little-endian. base is the SHA-256 of the tasks.json that the
// records change. work is the SHA-256 of the work digest that a status was given
// for; records of kind 1 have none. Frames are numbered from 1; one frame is one commit. After
// the last one there are zeros: the file is allocated, and its blocks written,
// ahead, so that appending needs neither space nor metadata, works on a full
// disk and is synced by fdatasync alone.
//
// # Why so
//
// A frame is written only when the one before it is on stable storage. So a
// crash can cost, or tear, the last frame only, and what is torn was not
// acknowledged: it is cut off, and kept aside. A frame that is damaged with a
// whole one behind it was on stable storage once: that is reported, and nothing
// is guessed.
//
// After a failed write or fdatasync the same descriptor may lie. The file is
// abandoned: a new one with everything that is not flushed replaces it, by
// rename. (The first one of a session is made under its own name: half a header
// says nothing.) The same is done when the file has grown large, and at the start; only
// if there is no space for that does a large file, which is sound, grow on.
//
// # Rejected
//
//   - Records without frames: pages of one commit may reach the disk in any
//     order, so a hole in the middle would be no sign of damage.
//   - Truncating after each flush: cuts off records of the instant between, or
//     needs a second sync; a "flushed" record goes with the next commit, and if
//     it is lost, replaying what is flushed is harmless.
//   - JSON lines: five times the size, and 100,000 records after a crash would
//     take longer to read than the backlog.
//   - A file per record, or SQLite: a hundred times the cost of the command
//     that is recorded.
package journal
