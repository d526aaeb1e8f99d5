//! The parser on hand-made text: halves, shared tables, births, torn lines; and on any cut of it.

use mlopt_tap::parser::Parser;
use mlopt_tap::rows::{NONE, Op, Row, UNKNOWN};
use proptest::prelude::*;

fn parse(text: &str) -> (Parser, Vec<Row>) {
    let mut parser = Parser::new(b"/home/me");
    parser.feed(text.as_bytes());
    parser.finish();
    let rows = parser.take_rows();
    (parser, rows)
}

fn path(parser: &Parser, row: &Row) -> String {
    String::from_utf8_lossy(&parser.files.all[row.file as usize].path).into_owned()
}

#[test]
fn reads_move_the_position_that_dup_and_fork_share() {
    let (parser, rows) = parse(
        r#"10 1.000000 openat(AT_FDCWD, "a", O_RDONLY|O_CLOEXEC) = 3 <0.000010>
10 1.000100 read(3, ""..., 100) = 100 <0.000010>
10 1.000200 dup(3) = 4 <0.000010>
10 1.000300 read(4, ""..., 50) = 50 <0.000010>
10 1.000400 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x7f) = 11 <0.000100>
11 1.000500 read(4, ""..., 10) = 10 <0.000010>
10 1.000600 read(3, ""..., 10) = 5 <0.000010>
10 1.000700 lseek(3, 7, SEEK_SET) = 7 <0.000010>
11 1.000800 read(3, ""..., 10) = 0 <0.000010>
"#,
    );
    let reads: Vec<(u32, i64, i64)> = rows
        .iter()
        .filter(|r| r.op == Op::Read)
        .map(|r| (r.pid, r.offset, r.result))
        .collect();
    assert_eq!(
        reads,
        [
            (10, 0, 100),
            (10, 100, 50),
            (11, 150, 10),
            (10, 160, 5),
            (11, 7, 0)
        ]
    );
    assert!(
        rows.iter().all(|r| r.handle == rows[0].handle),
        "one open file description"
    );
    assert_eq!(path(&parser, &rows[0]), "/home/me/a");
}

#[test]
fn a_descriptor_reused_between_the_halves_of_close_stays_open() {
    let (parser, rows) = parse(
        r#"10 1.0 openat(AT_FDCWD, "/a", O_RDONLY) = 5 <0.0001>
10 1.1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, stack=0x7f} => {parent_tid=[11]}, 88) = 11 <0.0001>
10 1.2 close(5 <unfinished ...>
11 1.3 openat(AT_FDCWD, "/b", O_RDONLY) = 5 <0.0001>
10 1.4 <... close resumed>)             = 0 <0.2>
11 1.5 read(5, ""..., 8) = 8 <0.0001>
"#,
    );
    let close = rows.iter().find(|r| r.op == Op::Close).unwrap();
    assert_eq!(path(&parser, close), "/a");
    let read = rows.iter().find(|r| r.op == Op::Read).unwrap();
    assert_eq!((path(&parser, read).as_str(), read.pid, read.tid), ("/b", 10, 11));
}

#[test]
fn children_that_speak_before_their_birth_returns_get_the_right_parent() {
    let (parser, rows) = parse(
        r#"10 1.0 openat(AT_FDCWD, "/a", O_RDONLY) = 3 <0.0001>
10 1.1 clone(child_stack=NULL, flags=SIGCHLD) = 20 <0.0001>
20 1.15 openat(AT_FDCWD, "/b", O_RDONLY) = 4 <0.0001>
10 1.2 vfork( <unfinished ...>
20 1.2 vfork( <unfinished ...>
31 1.3 read(4, ""..., 1) = 1 <0.0001>
30 1.3 read(3, ""..., 1) = 1 <0.0001>
20 1.4 <... vfork resumed>) = 31 <0.2>
10 1.4 <... vfork resumed>) = 30 <0.2>
"#,
    );
    let reads: Vec<(u32, String)> = rows
        .iter()
        .filter(|r| r.op == Op::Read)
        .map(|r| (r.tid, path(&parser, r)))
        .collect();
    assert!(
        reads.contains(&(30, "/a".into())) && reads.contains(&(31, "/b".into())),
        "{reads:?}"
    );
    let parents: Vec<(u32, u32)> = parser.threads.iter().map(|t| (t.tid, t.ppid)).collect();
    assert!(
        parents.contains(&(30, 10)) && parents.contains(&(31, 20)),
        "{parents:?}"
    );
    assert_eq!(parser.counts.orphans, 0);
}

#[test]
fn exec_drops_close_on_exec_descriptors_also_when_a_thread_calls_it() {
    let (parser, rows) = parse(
        r#"10 1.0 openat(AT_FDCWD, "/keep", O_RDONLY) = 3 <0.0001>
10 1.0 openat(AT_FDCWD, "/drop", O_RDONLY|O_CLOEXEC) = 4 <0.0001>
10 1.1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD} => {parent_tid=[11]}, 88) = 11 <0.0001>
11 1.2 execve("/bin/x", [...], 0x7f /* 3 vars */ <unfinished ...>
10 1.3 +++ superseded by execve in pid 11 +++
10 1.3 <... execve resumed>) = 0 <0.001>
10 1.4 read(3, ""..., 1) = 1 <0.0001>
10 1.5 read(4, ""..., 1) = 1 <0.0001>
"#,
    );
    let reads: Vec<&Row> = rows.iter().filter(|r| r.op == Op::Read).collect();
    assert_eq!(path(&parser, reads[0]), "/keep");
    assert_eq!(
        reads[1].file, NONE,
        "closed by exec, so it is something that was not seen being opened"
    );
    assert_eq!(parser.execs, [10]);
}

#[test]
fn every_kind_of_call_leaves_its_row() {
    let (parser, rows) = parse(
        r#"10 1.00 openat(AT_FDCWD, "/d", O_RDONLY|O_DIRECTORY) = 3 <0.0001>
10 1.01 getdents64(3, 0x55 /* 9 entries */, 32768) = 280 <0.0001>
10 1.02 openat(3, "f\"\n\377", O_RDONLY) = 4 <0.0001>
10 1.03 pread64(4, ""..., 100, 4096) = 100 <0.0001>
10 1.04 readv(4, [{iov_base=""..., iov_len=5}, {iov_base=""..., iov_len=7}], 2) = 12 <0.0001>
10 1.05 preadv2(4, [{iov_base=""..., iov_len=5}], 1, 50, 0) = 5 <0.0001>
10 1.06 mmap(NULL, 8192, PROT_READ, MAP_SHARED, 4, 0x1000) = 0x7f0000000000 <0.0001>
10 1.07 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000 <0.0001>
10 1.08 openat(AT_FDCWD, "/out", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 5 <0.0001>
10 1.09 sendfile(5, 4, [0] => [1000], 1000) = 1000 <0.0001>
10 1.10 copy_file_range(4, NULL, 5, NULL, 500, 0) = 500 <0.0001>
10 1.11 newfstatat(4, "", {st_mode=S_IFREG|0644, st_size=5000, ...}, AT_EMPTY_PATH) = 0 <0.0001>
10 1.12 statx(AT_FDCWD, "/no", AT_STATX_SYNC_AS_STAT, STATX_ALL, 0x7f) = -1 ENOENT (No such file or directory) <0.0001>
10 1.13 fadvise64(4, 0, 0, POSIX_FADV_WILLNEED) = 0 <0.0001>
10 1.14 fsync(5) = 0 <0.0001>
10 1.15 ftruncate(5, 3) = 0 <0.0001>
10 1.16 rename("/out", "/out2") = 0 <0.0001>
10 1.17 unlink("/out2") = 0 <0.0001>
10 1.18 close_range(3, 4294967295, 0) = 0 <0.0001>
10 1.19 read(4, ""..., 9) = 9 <0.0001>
10 1.20 openat(AT_FDCWD, "/proc/self/status", O_RDONLY) = 3 <0.0001>
10 1.21 read(7, ""..., 9) = ? ERESTARTSYS (To be restarted if SA_RESTART is set) <0.0001>
"#,
    );
    let told: Vec<(Op, String, i64, i64, i64)> = rows
        .iter()
        .filter(|r| r.file != NONE)
        .map(|r| (r.op, path(&parser, r), r.offset, r.length, r.result))
        .collect();
    let f = "/d/f\"\n\u{fffd}".to_string();
    let expected = [
        (Op::Open, "/d".into(), UNKNOWN, UNKNOWN, 0),
        (Op::Readdir, "/d".into(), UNKNOWN, 32768, 280),
        (Op::Open, f.clone(), UNKNOWN, UNKNOWN, 0),
        (Op::Read, f.clone(), 4096, 100, 100),
        (Op::Read, f.clone(), 0, 12, 12),
        (Op::Read, f.clone(), 50, 5, 5),
        (Op::Mmap, f.clone(), 0x1000, 8192, 0),
        (Op::Open, "/out".into(), UNKNOWN, UNKNOWN, 0),
        (Op::Copy, f.clone(), 0, 1000, 1000),
        (Op::Write, "/out".into(), 0, 1000, 1000),
        (Op::Copy, f.clone(), 12, 500, 500),
        (Op::Write, "/out".into(), 1000, 500, 500),
        (Op::Stat, f.clone(), UNKNOWN, UNKNOWN, 0),
        (Op::Stat, "/no".into(), UNKNOWN, UNKNOWN, -2),
        (Op::Advise, f, 0, 0, 0),
        (Op::Fsync, "/out".into(), UNKNOWN, UNKNOWN, 0),
        (Op::Truncate, "/out".into(), UNKNOWN, 3, 0),
        (Op::Rename, "/out".into(), UNKNOWN, UNKNOWN, 0),
        (Op::Rename, "/out2".into(), UNKNOWN, UNKNOWN, 0),
        (Op::Unlink, "/out2".into(), UNKNOWN, UNKNOWN, 0),
    ];
    assert_eq!(told, expected);
    assert_eq!(parser.counts.unreadable, 0);
    assert_eq!(
        rows.iter().filter(|r| r.file == NONE).count(),
        1,
        "the read of a closed descriptor"
    );
}

#[test]
fn torn_and_foreign_lines_are_counted_and_skipped() {
    let (parser, rows) = parse(
        "10 1.0 openat(AT_FDCWD, \"/a\", O_RDONLY) = 3 <0.0001>\nstrace: something\n10 1.1 read(3, \"\"..., 1\n\
         10 1.2 read(3, \"\"..., 10) = 1\n10 1.3 --- SIGCHLD {si_signo=SIGCHLD} ---\n10 1.4 read(3, \"\"..., 10) = 1 <0.1>\n\
         10 1.5 read(3, \"\"...,  <unfinished ...>\n10 1.6 +++ killed by SIGKILL +++\n10 1.7 rea",
    );
    assert_eq!(parser.counts.unreadable, 4);
    assert_eq!(parser.threads[0].exit, -9);
    let results: Vec<i64> = rows
        .iter()
        .filter(|r| r.op == Op::Read)
        .map(|r| r.result)
        .collect();
    assert_eq!(
        results,
        [1, UNKNOWN],
        "the call that was under way when the kill came is kept"
    );
}

const SAMPLE: &str = r#"10 1.000000 openat(AT_FDCWD, "/a b", O_RDONLY) = 3 <0.000010>
10 1.000100 clone(child_stack=NULL, flags=SIGCHLD) = 11 <0.000100>
10 1.000200 read(3,  <unfinished ...>
11 1.000250 read(3, ""..., 7) = 7 <0.000010>
10 1.000300 <... read resumed>""..., 100) = 100 <0.000500>
11 1.000400 +++ exited with 0 +++
10 1.000500 close(3) = 0 <0.000010>
"#;

proptest! {
    #[test]
    fn text_may_be_cut_into_pieces_anywhere(cuts in proptest::collection::vec(0..SAMPLE.len(), 0..12)) {
        let mut cuts = cuts;
        cuts.extend([0, SAMPLE.len()]);
        cuts.sort_unstable();
        let mut parser = Parser::new(b"/");
        for pair in cuts.windows(2) {
            parser.feed(&SAMPLE.as_bytes()[pair[0]..pair[1]]);
        }
        parser.finish();
        prop_assert_eq!(parser.take_rows(), parse(SAMPLE).1);
    }

    #[test]
    fn no_text_is_a_reason_to_panic(lines in proptest::collection::vec(
        "([0-9]{1,4} [0-9]\\.[0-9]{1,6} )?(read|close|openat|clone3|<\\.\\.\\. read resumed>|\\+\\+\\+ exited)[ -~]{0,40}", 0..30,
    )) {
        let mut parser = Parser::new(b"/");
        for line in &lines {
            parser.feed(line.as_bytes());
            parser.feed(b"\n");
        }
        parser.finish();
        prop_assert_eq!(parser.counts.lines, lines.len() as u64);
    }

    #[test]
    fn any_name_survives(name in proptest::collection::vec(1u8..=255, 1..60)) {
        prop_assume!(!name.contains(&b'/') && name != b"." && name != b"..");
        let mut text = b"10 1.0 openat(AT_FDCWD, \"/d/".to_vec();
        for (at, &c) in name.iter().enumerate() {
            let next_is_digit = name.get(at + 1).is_some_and(u8::is_ascii_digit);
            match c {
                b'\n' => text.extend(b"\\n"),
                b'\t' => text.extend(b"\\t"),
                b'"' | b'\\' => text.extend([b'\\', c]),
                0x20..=0x7e => text.push(c),
                _ if next_is_digit => text.extend(format!("\\{c:03o}").bytes()),
                _ => text.extend(format!("\\{c:o}").bytes()),
            }
        }
        text.extend(b"\", O_RDONLY) = 3 <0.1>\n");
        let mut parser = Parser::new(b"/");
        parser.feed(&text);
        let path = [b"/d/".as_slice(), &name].concat();
        prop_assert_eq!(&*parser.files.all[0].path, path.as_slice());
    }
}
