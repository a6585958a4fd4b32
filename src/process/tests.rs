use std::fs;

use super::*;
use crate::output::{Format, Style};

/// Runs with a silent mouth; gives the error's code.
fn talk(cmd: &Cmd, hear: impl FnMut(Stream, &str, &mut Input) -> Result<()>) -> Result<Ran, Code> {
    let out = Out::new(Style { format: Format::Text, quiet: true, verbose: 0, color: false });
    let interrupt = Interrupt::default();
    Runner { out: &out, interrupt: &interrupt }.talk(cmd, hear).map_err(|error| error.code())
}

fn run(cmd: &Cmd) -> Result<Ran, Code> {
    let out = Out::new(Style { format: Format::Text, quiet: true, verbose: 0, color: false });
    let interrupt = Interrupt::default();
    Runner { out: &out, interrupt: &interrupt }.run(cmd).map_err(|error| error.code())
}

fn sh(script: &str) -> Cmd {
    Cmd::new("sh", ["-c", script])
}

#[test]
fn exit_code_and_both_streams_come_back() {
    let ran = run(&sh("echo out; echo err >&2; exit 3")).unwrap();
    assert_eq!(ran, Ran { code: 3, stdout: "out\n".into(), stderr: "err\n".into(), ..Ran::default() });
    let killed = run(&sh("kill -9 $$")).unwrap();
    assert!(killed.code == 137 && killed.by_signal);
    assert!(!run(&sh("exit 137")).unwrap().by_signal);
}

#[test]
fn all_lines_arrive_in_their_order_however_many_they_are() {
    let mut heard = 0;
    let ran = talk(&sh("i=0; while [ $i -lt 100000 ]; do echo $i; i=$((i + 1)); done"), |_, line, _| {
        assert_eq!(line, heard.to_string());
        heard += 1;
        // Slower than the program that speaks.
        if heard % 1000 == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    });
    assert_eq!((heard, ran.unwrap().stdout.lines().count()), (100_000, 100_000));
}

#[test]
fn bytes_that_are_no_text_do_not_stop_the_lines() {
    let ran = run(&sh(r"printf 'a\377b\r\nlast'")).unwrap();
    assert_eq!(ran.stdout, "a\u{fffd}b\nlast\n");
}

/// A hostile host could fill this machine's memory, or its disk.
#[test]
fn an_answer_without_an_end_is_stopped() {
    assert_eq!(run(&sh("tr '\\0' x </dev/zero")), Err(Code::ToolFailed));
    assert_eq!(run(&sh("yes $(printf %01000d 0)")), Err(Code::ToolFailed));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("got");
    let out = Out::new(Style { format: Format::Text, quiet: true, verbose: 0, color: false });
    let interrupt = Interrupt::default();
    let runner = Runner { out: &out, interrupt: &interrupt };
    let endless = sh("while :; do echo more; sleep 0.001; done").at_most(&path, 100);
    let ran = runner.run_into(&endless, fs::File::create(&path).unwrap());
    assert_eq!(ran.unwrap_err().code(), Code::ToolFailed);
    assert!(fs::metadata(&path).unwrap().len() < 100_000);
}

#[test]
fn a_program_that_is_not_there_is_told() {
    assert_eq!(run(&Cmd::new("no-such-program", [""])), Err(Code::ToolMissing));
}

#[test]
fn a_deadline_ends_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let mut cmd = sh("sh -c 'echo $$ >inner; exec sleep 30' & wait").deadline(Duration::from_millis(300));
    cmd.folder = Some(folder.path().to_owned());
    let started = Instant::now();
    assert_eq!(run(&cmd), Err(Code::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(5));
    let inner = fs::read_to_string(folder.path().join("inner")).unwrap();
    let ended = || {
        let state = fs::read_to_string(format!("/proc/{}/stat", inner.trim())).unwrap_or_default();
        // Gone, or dead and not yet collected by whoever inherited it.
        state.is_empty() || state.contains(") Z ")
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while !ended() {
        assert!(Instant::now() < deadline, "the inner process lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_child_left_behind_that_holds_the_pipe_does_not_keep_us() {
    let started = Instant::now();
    let ran = run(&sh("sleep 5 & echo done")).unwrap();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "done\n"));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn a_program_that_reads_to_the_end_gets_an_end() {
    let ran = run(&Cmd::new("cat", ["-"]).deadline(Duration::from_secs(5))).unwrap();
    assert_eq!(ran.stdout, "");
    let ran = run(&sh("wc -c").input(vec![b'x'; 1 << 20]).deadline(Duration::from_secs(5))).unwrap();
    assert_eq!(ran.stdout.trim(), "1048576");
}

#[test]
fn a_program_that_never_reads_is_ended_by_its_deadline() {
    let cmd = sh("sleep 30").input(vec![b'x'; 1 << 20]).deadline(Duration::from_millis(200));
    assert_eq!(run(&cmd), Err(Code::TimedOut));
}

#[test]
fn a_conversation_goes_both_ways_until_it_is_closed() {
    let script = "echo ready; while read -r word; do echo \"heard $word\"; done; echo end";
    let mut lines = vec![];
    let ran = talk(&sh(script), |_, line, input| {
        lines.push(line.to_owned());
        match line {
            "ready" => input.send("one\n"),
            "heard one" => {
                input.send("two\n");
                input.close();
            }
            _ => {}
        }
        Ok(())
    });
    assert!(ran.unwrap().ok());
    assert_eq!(lines, ["ready", "heard one", "heard two", "end"]);
}

#[test]
fn an_error_of_the_listener_ends_the_program() {
    let started = Instant::now();
    let ended = talk(&sh("echo line; sleep 30"), |_, _, _| Err(Error::new(Code::Internal, "enough")));
    assert_eq!(ended, Err(Code::Internal));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_program_reads_what_another_one_writes() {
    let cmd = Cmd::new("sh", ["-c", "cat; echo end"]).input("first\n").reading(sh("echo second; echo third"));
    assert_eq!(run(&cmd).unwrap().stdout, "first\nsecond\nthird\nend\n");
}

#[test]
fn a_source_is_ended_with_its_reader() {
    let started = Instant::now();
    assert!(run(&sh("exit 0").reading(sh("sleep 30"))).unwrap().ok());
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn output_goes_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let out = Out::new(Style { format: Format::Text, quiet: true, verbose: 0, color: false });
    let interrupt = Interrupt::default();
    let runner = Runner { out: &out, interrupt: &interrupt };
    let ran = runner.run_into(&sh("printf 'a\\0b'; echo err >&2"), File::create(&path).unwrap()).unwrap();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "err\n"));
    assert_eq!(fs::read(path).unwrap(), b"a\0b");
}

#[test]
fn the_environment_and_the_folder_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut cmd = sh("pwd; echo $ANSWER").env("ANSWER", "42");
    cmd.folder = Some(folder.path().canonicalize().unwrap());
    let wanted = format!("{}\n42\n", folder.path().canonicalize().unwrap().display());
    assert_eq!(run(&cmd).unwrap().stdout, wanted);
}

#[test]
fn a_complaint_is_the_end_of_what_it_said() {
    let text = (1..=20).map(|number| number.to_string()).collect::<Vec<_>>().join("\n\n");
    let ran = Ran { code: 1, stdout: "out".into(), stderr: text, ..Ran::default() };
    assert!(ran.complaint().starts_with("6\n7\n") && ran.complaint().ends_with("20"));
    assert_eq!(Ran { stderr: " \n".into(), ..ran }.complaint(), "out");
}

#[test]
fn a_source_that_failed_is_the_readers_failure() {
    let ran = run(&Cmd::new("cat", ["-"]).reading(sh("echo half; exit 4"))).unwrap();
    assert_eq!((ran.code, ran.stdout.as_str()), (4, "half\n"));
    assert!(ran.stderr.contains("sh, which should have given the data, ended with 4"), "{}", ran.stderr);
}

#[test]
fn a_transcript_is_read_while_it_is_written_and_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transcript");
    let cmd = sh("echo first; while [ ! -e go ]; do sleep 0.01; done; echo second >&2; exit 3");
    let mut cmd = cmd.transcript(&file);
    cmd.folder = Some(folder.path().to_owned());
    let ran = talk(&cmd, |_, line, _| {
        assert!(line == "second" || fs::write(folder.path().join("go"), "").is_ok());
        Ok(())
    });
    assert_eq!(ran, Ok(Ran { code: 3, stdout: "first\nsecond\n".into(), ..Ran::default() }));
    assert_eq!(fs::read_to_string(file).unwrap(), "first\nsecond\n");
}

#[test]
fn what_is_endless_is_heard_and_not_kept() {
    let mut cmd = sh("echo heard; echo kept >&2");
    cmd.endless = true;
    let mut heard = vec![];
    let ran = talk(&cmd, |_, line, _| {
        heard.push(line.to_owned());
        Ok(())
    });
    assert_eq!(ran.unwrap(), Ran { stderr: "kept\n".into(), ..Ran::default() });
    heard.sort();
    assert_eq!(heard, ["heard", "kept"]);
}

#[test]
fn programs_run_side_by_side_and_no_more_than_may() {
    let cmds: Vec<Cmd> =
        (0..5).map(|number| sh(&format!("sleep 0.2; echo {number}; exit {number}"))).collect();
    let out = Out::new(Style { format: Format::Text, quiet: true, verbose: 0, color: false });
    let interrupt = Interrupt::default();
    let (mut now, mut most, mut ended) = (0, 0, vec![]);
    Runner { out: &out, interrupt: &interrupt }.side_by_side(&cmds, 2, |place, event| match event {
        Event::Began => {
            now += 1;
            most = most.max(now);
        }
        Event::Said(stream, line) => assert_eq!((stream, line), (Stream::Out, place.to_string())),
        Event::Ended(ran) => {
            now -= 1;
            let ran = ran.unwrap();
            ended.push((place, ran.code, ran.stdout));
        }
    });
    ended.sort();
    let wanted: Vec<_> =
        (0..5_i32).map(|number| (usize::try_from(number).unwrap(), number, format!("{number}\n"))).collect();
    assert_eq!((most, now, ended), (2, 0, wanted));
}

#[test]
fn one_that_cannot_be_started_does_not_stop_the_others() {
    let cmds = [Cmd::new("no-such-program", [""]), sh("exit 0")];
    let out = Out::new(Style { format: Format::Text, quiet: true, verbose: 0, color: false });
    let interrupt = Interrupt::default();
    let mut ended = vec![];
    Runner { out: &out, interrupt: &interrupt }.side_by_side(&cmds, 1, |place, event| {
        if let Event::Ended(ran) = event {
            ended.push((place, ran.map(|ran| ran.code).map_err(|error| error.code())));
        }
    });
    assert_eq!(ended, [(0, Err(Code::ToolMissing)), (1, Ok(0))]);
}
