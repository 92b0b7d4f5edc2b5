//! What the machine says about itself: load, time that a hypervisor or a quota took, pressure. `None` where it says nothing.

use std::collections::VecDeque;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Shares are of so many looks.
const OVER: usize = 10;

/// See the module. Shares are from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Context {
    /// Of one, five and fifteen minutes.
    pub(crate) load: Option<[f64; 3]>,
    /// Of the time of all processors: what the hypervisor gave to somebody else.
    pub(crate) steal: Option<f64>,
    /// Of the periods of the cgroup's quota: those in which it was used up before their end.
    pub(crate) throttled: Option<f64>,
    /// Of the last ten seconds: in which something that could have run waited for a processor.
    pub(crate) pressure_cpu: Option<f64>,
}

/// Looks once a second.
#[derive(Debug)]
pub(crate) struct Machine {
    root: PathBuf,
    /// The files that may tell of this process' quota, the nearest first.
    quota: Vec<PathBuf>,
    pressure: Vec<PathBuf>,
    recent: VecDeque<Counts>,
    context: Context,
}

/// A part and what it is a part of, since some beginning.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    steal: Option<(f64, f64)>,
    throttled: Option<(f64, f64)>,
}

impl Machine {
    /// The one whose `/proc` and `/sys` lie below `root`.
    pub(crate) fn below(root: &Path) -> Self {
        let groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mut quota = Vec::new();
        let mut pressure = Vec::new();
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let path = path.trim_start_matches('/');
            let sys = root.join("sys/fs/cgroup");
            if controllers.is_empty() {
                // In a container the path may be one of outside it; what is mounted is the container's own group then.
                quota.extend([sys.join(path).join("cpu.stat"), sys.join("cpu.stat")]);
                pressure.extend([sys.join(path).join("cpu.pressure"), sys.join("cpu.pressure")]);
            } else if controllers.split(',').any(|controller| controller == "cpu") {
                quota.extend([sys.join("cpu").join(path).join("cpu.stat"), sys.join("cpu/cpu.stat")]);
            }
        }
        pressure.push(root.join("proc/pressure/cpu"));
        Self { root: root.to_owned(), quota, pressure, recent: VecDeque::new(), context: Context::default() }
    }

    pub(crate) fn context(&self) -> Context {
        self.context
    }

    pub(super) fn look(&mut self) {
        let counts = Counts { steal: self.steal(), throttled: self.throttled() };
        self.recent.push_back(counts);
        if self.recent.len() > OVER + 1 {
            self.recent.pop_front();
        }
        let first = self.recent.front().copied().unwrap_or_default();
        self.context = Context {
            load: self.load(),
            steal: share(first.steal, counts.steal),
            throttled: share(first.throttled, counts.throttled),
            pressure_cpu: self.pressure.iter().find_map(|path| pressure(&read_to_string(path).ok()?)),
        };
    }

    fn load(&self) -> Option<[f64; 3]> {
        let text = read_to_string(self.root.join("proc/loadavg")).ok()?;
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some([next()?, next()?, next()?])
    }

    fn steal(&self) -> Option<(f64, f64)> {
        let text = read_to_string(self.root.join("proc/stat")).ok()?;
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        // The first eight: what guests had is in them already (proc(5)).
        let times: Vec<f64> = line.split_whitespace().take(8).map_while(|number| number.parse().ok()).collect();
        Some((*times.get(7)?, times.iter().sum()))
    }

    fn throttled(&self) -> Option<(f64, f64)> {
        self.quota.iter().find_map(|path| {
            let text = read_to_string(path).ok()?;
            let of = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
                line.trim().parse::<f64>().ok()
            };
            Some((of("nr_throttled")?, of("nr_periods")?))
        })
    }
}

/// Which part of what came since.
fn share(first: Option<(f64, f64)>, last: Option<(f64, f64)>) -> Option<f64> {
    let ((part, whole), (part_now, whole_now)) = (first?, last?);
    if whole_now <= whole {
        return Some(0.0);
    }
    Some(((part_now - part) / (whole_now - whole)).clamp(0.0, 1.0))
}

/// `some avg10=1.50 avg60=...` in percent.
fn pressure(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = line.split_whitespace().find_map(|field| field.strip_prefix("avg10="))?.parse().ok()?;
    Some((percent / 100.0).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), files);
        let machine = Machine::below(folder.path());
        (folder, machine)
    }

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            std::fs::write(path, content).expect("written");
        }
    }

    #[test]
    fn a_machine_that_says_nothing_is_not_guessed_at() {
        let (_folder, mut machine) = machine(&[("proc/stat", "nonsense"), ("proc/loadavg", "1 x")]);
        machine.look();
        assert_eq!(machine.context(), Context::default());
    }

    #[test]
    fn shares_are_of_what_came_since() {
        let quota =
            |periods: u32, throttled: u32| format!("usage_usec 1\nnr_periods {periods}\nnr_throttled {throttled}\n");
        let (folder, mut machine) = machine(&[
            ("proc/stat", "cpu  10 0 10 70 0 0 0 10 5 5\ncpu0 1\n"),
            ("proc/loadavg", "0.50 0.40 0.30 1/100 1234\n"),
            ("proc/self/cgroup", "0::/app.slice\n"),
            ("sys/fs/cgroup/app.slice/cpu.stat", &quota(100, 10)),
            ("sys/fs/cgroup/app.slice/cpu.pressure", "some avg10=12.00 avg60=1.00 avg300=0.00 total=1\n"),
            ("proc/pressure/cpu", "some avg10=99.00 avg60=1.00 avg300=0.00 total=1\n"),
        ]);
        machine.look();
        write(
            folder.path(),
            &[("proc/stat", "cpu  20 0 20 130 0 0 0 30 5 5\n"), ("sys/fs/cgroup/app.slice/cpu.stat", &quota(140, 20))],
        );
        machine.look();
        let expected =
            Context { load: Some([0.5, 0.4, 0.3]), steal: Some(0.2), throttled: Some(0.25), pressure_cpu: Some(0.12) };
        assert_eq!(machine.context(), expected);
    }

    #[test]
    fn the_first_version_of_cgroups_is_read_too() {
        let (_folder, mut machine) = machine(&[
            ("proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/x\n"),
            ("sys/fs/cgroup/cpu/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"),
        ]);
        machine.look();
        assert_eq!(machine.context().throttled, Some(0.0), "no quota");
    }
}
