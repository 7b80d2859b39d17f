//! Running services: where one answers, and whether all of them still live.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use testbed::{Child, Signal, StartError, free_port, how_it_ended, wait_for_http};

use crate::stop::{Interrupt, Outcome, Stop, failed};
use crate::terminal::indented;
use crate::workspace::without_cargo_run;

/// How long a service may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long a service may take to end in order; longer than it drains.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// Free ports tried when another process is quicker.
const PORTS_TRIED: usize = 5;

/// Lines of a dead service's log that are shown.
const TAIL_LINES: usize = 15;

/// How often something that should come true is looked at.
const POLL: Duration = Duration::from_millis(25);

/// How long the death of a service may take to be seen after its connections broke.
const DEATH_SEEN: Duration = Duration::from_millis(500);

/// Every service that should be running.
#[derive(Clone, Default)]
pub(crate) struct Watch(Rc<RefCell<Vec<Rc<RefCell<Child>>>>>);

impl Watch {
    /// An error when one has ended: none ever should by itself.
    pub(crate) fn check(&self) -> Outcome<()> {
        self.0
            .borrow()
            .iter()
            .try_for_each(|child| alive(&mut child.borrow_mut()))
    }

    /// The reason behind a failure: the death of a service, when there was one.
    pub(crate) fn blame(&self, stop: Stop) -> Stop {
        if matches!(stop, Stop::Interrupted) {
            return stop;
        }
        let started = Instant::now();
        loop {
            if let Err(death) = self.check() {
                return death;
            }
            if started.elapsed() > DEATH_SEEN {
                return stop;
            }
            std::thread::sleep(POLL);
        }
    }

    fn add(&self, child: Child) -> Rc<RefCell<Child>> {
        let child = Rc::new(RefCell::new(child));
        self.0.borrow_mut().push(Rc::clone(&child));
        child
    }

    fn remove(&self, child: &Rc<RefCell<Child>>) {
        self.0
            .borrow_mut()
            .retain(|watched| !Rc::ptr_eq(watched, child));
    }
}

/// A service that answered at least once.
pub(crate) struct Service {
    child: Rc<RefCell<Child>>,
    url: String,
    watch: Watch,
}

impl Service {
    /// Starts it on a free loopback port and waits until `path` answers 200. `prepare` makes the
    /// command for an address; it is called again with another one when the port was taken meanwhile.
    pub(crate) fn start(
        name: &str,
        log: &Path,
        path: &str,
        watch: &Watch,
        prepare: impl Fn(&str, u16) -> Command,
    ) -> Outcome<Self> {
        let mut tried = 0;
        loop {
            tried += 1;
            let port =
                free_port().map_err(|error| failed("there is no free loopback port", error))?;
            let url = format!("http://127.0.0.1:{port}");
            let mut command = prepare(&url, port);
            without_cargo_run(&mut command);
            let mut child = Child::start(name, command, log)
                .map_err(|error| Stop::because(error.to_string()))?;
            match wait_for_http(&mut child, &format!("{url}{path}"), START_DEADLINE) {
                Ok(()) => {
                    return Ok(Self {
                        child: watch.add(child),
                        url,
                        watch: watch.clone(),
                    });
                }
                Err(StartError::Ended { log_tail, .. })
                    if tried < PORTS_TRIED && log_tail.contains("is taken") => {}
                Err(error) => return Err(Stop::because(with_indented_log(&error.to_string()))),
            }
        }
    }

    /// Starts it again at an address that it had before.
    pub(crate) fn start_again(
        name: &str,
        log: &Path,
        path: &str,
        watch: &Watch,
        url: &str,
        mut command: Command,
    ) -> Outcome<Self> {
        without_cargo_run(&mut command);
        let mut child =
            Child::start(name, command, log).map_err(|error| Stop::because(error.to_string()))?;
        wait_for_http(&mut child, &format!("{url}{path}"), START_DEADLINE)
            .map_err(|error| Stop::because(with_indented_log(&error.to_string())))?;
        Ok(Self {
            child: watch.add(child),
            url: url.to_owned(),
            watch: watch.clone(),
        })
    }

    /// Its address, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.borrow().id()
    }

    /// Makes it reload (SIGHUP).
    pub(crate) fn reload(&self) -> Outcome<()> {
        self.watch.check()?;
        let child = self.child.borrow();
        child
            .signal(Signal::Hangup)
            .map_err(|error| failed(format!("cannot signal {}", child.name()), error))
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        let port = self
            .url
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        port.expect("the address was made with a port")
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&self) -> Outcome<()> {
        self.watch.check()?;
        self.watch.remove(&self.child);
        let mut child = self.child.borrow_mut();
        let killed = child.signal(Signal::Kill);
        killed
            .and_then(|()| child.stop(STOP_GRACE))
            .map(drop)
            .map_err(|error| failed(format!("cannot kill {}", child.name()), error))
    }

    /// Ends it in order.
    pub(crate) fn stop(&self) -> Outcome<()> {
        self.watch.check()?;
        self.watch.remove(&self.child);
        let mut child = self.child.borrow_mut();
        let status = child
            .stop_at_once(STOP_GRACE)
            .map_err(|error| failed(format!("cannot stop {}", child.name()), error))?;
        if status.success() {
            return Ok(());
        }
        Err(ended("did not end in order", &child, &how_it_ended(status)))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The last one who holds the child kills it.
        self.watch.remove(&self.child);
    }
}

/// The first line says what happened, the others are the end of the log.
fn with_indented_log(text: &str) -> String {
    match text.split_once('\n') {
        Some((what, log)) => format!("{what}\n{}", indented(log)),
        None => text.to_owned(),
    }
}

fn alive(child: &mut Child) -> Outcome<()> {
    match child.exited() {
        None => Ok(()),
        Some(status) => Err(ended("ended unexpectedly", child, &how_it_ended(status))),
    }
}

fn ended(what: &str, child: &Child, how: &str) -> Stop {
    let tail = child.log_tail(TAIL_LINES);
    Stop::because(format!(
        "{} {what} ({how}); its last lines:\n{}",
        child.name(),
        indented(&tail)
    ))
}

/// Asks again and again until the answer is there, at most `deadline` long.
pub(crate) fn until<T>(
    what: &str,
    deadline: Duration,
    interrupt: &Interrupt,
    mut ask: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let started = Instant::now();
    loop {
        interrupt.check()?;
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if started.elapsed() > deadline {
            return Err(Stop::because(format!(
                "{what} did not happen within {} s",
                deadline.as_secs()
            )));
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn another_free_port_is_tried_when_one_was_taken_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let starts = Cell::new(0);
        let taken = |_: &str, port: u16| {
            starts.set(starts.get() + 1);
            let mut command = Command::new("sh");
            command.args(["-c", &format!("echo port {port} is taken; exit 1")]);
            command
        };
        let watch = Watch::default();
        let Err(Stop::Failed(failure)) =
            Service::start("service", &folder.path().join("log"), "/", &watch, taken)
        else {
            panic!("it cannot have started");
        };
        assert_eq!(starts.get(), PORTS_TRIED);
        assert!(failure.reason.contains("is taken"), "{}", failure.reason);
    }

    #[test]
    fn a_death_is_the_reason_behind_whatever_failed_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo about to end; exit 3"]);
        let watch = Watch::default();
        watch.add(Child::start("service", command, &folder.path().join("log")).unwrap());
        let Stop::Failed(failure) = watch.blame(Stop::because("no answer")) else {
            panic!("a failure stays a failure");
        };
        assert_eq!(
            failure.reason,
            "service ended unexpectedly (exit code 3); its last lines:\n      about to end"
        );
    }
}
