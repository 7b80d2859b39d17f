//! How far behind the replica is: the worst of what three sources say, none of which is believed alone.
//! `Seconds_Behind_Source` is 0 in seven kinds of failure and NULL in the others; the heartbeat row needs
//! somebody who writes it; and what the primary had at an earlier run is a lower bound.

use super::{Findings, History, ProblemId, Seeing};
use crate::observation::{Observed, Reading};

/// Longer behind than this, twice in a row, is worth a look. A healthy pair stays under two seconds.
pub const LAG_WARNING_S: f64 = 5.0;

/// Longer behind than this, the replica is no place to fail over to.
pub const STALE_CRITICAL_S: f64 = 300.0;

/// A heartbeat that is older than this where it is written is not written any more.
const HEARTBEAT_DEAD_S: f64 = 10.0;

/// What is known of the lag.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lag {
    /// What MySQL says; nothing when it says NULL.
    pub seconds_behind_source: Option<u64>,
    /// Age of the heartbeat row on the replica, in seconds.
    pub heartbeat_s: Option<f64>,
    /// For so long at least the replica has lacked something that the primary had; 0 when it has it.
    pub stale_at_least_s: Option<f64>,
    /// The worst of the three, less the delay that is demanded.
    pub effective_s: Option<f64>,
    /// Which of them: `seconds_behind_source`, `heartbeat`, `previous_set`.
    pub source: Option<&'static str>,
    /// Whether the primary has written nothing since the last run; nothing when nobody knows.
    pub primary_idle: Option<bool>,
}

pub(super) fn judge(seeing: &Seeing, history: &History, findings: &mut Findings) -> Lag {
    let mut lag = Lag::default();
    let Some(replica) = seeing.replica().observed() else {
        return lag;
    };
    let status = replica.status();
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of lag and delay are far below 2^52"
    )]
    let (behind, delay) = (
        status
            .and_then(|status| status.seconds_behind_source)
            .map(|seconds| seconds as f64),
        status
            .and_then(|status| status.sql_delay_s)
            .unwrap_or_default() as f64,
    );
    lag.seconds_behind_source = status.and_then(|status| status.seconds_behind_source);
    lag.heartbeat_s = heartbeat(seeing, replica, findings);
    lag.stale_at_least_s = stale(seeing, history);
    lag.primary_idle = idle(seeing, history);

    let known = [
        ("heartbeat", lag.heartbeat_s.map(|seconds| seconds - delay)),
        (
            "seconds_behind_source",
            behind.map(|seconds| seconds - delay),
        ),
        (
            "previous_set",
            // 0 is no measure of lag: the replica has what there was, and maybe nothing newer.
            lag.stale_at_least_s
                .filter(|seconds| *seconds > 0.0)
                .map(|seconds| seconds - delay),
        ),
    ];
    for (source, seconds) in known {
        let Some(seconds) = seconds.map(|seconds| seconds.max(0.0)) else {
            continue;
        };
        if lag.effective_s.is_none_or(|worst| seconds > worst) {
            lag.effective_s = Some(seconds);
            lag.source = Some(source);
        }
    }
    verdict(seeing, &lag, findings);
    lag
}

fn verdict(seeing: &Seeing, lag: &Lag, findings: &mut Findings) {
    let name = &seeing.replica().name;
    // A thread that stands is the cause, and said; lag beside it would only be said twice.
    let is_explained = [
        ProblemId::IoStopped,
        ProblemId::IoConnecting,
        ProblemId::SqlStopped,
        ProblemId::DiskWait,
        ProblemId::NotAReplica,
        ProblemId::PurgeGap,
    ]
    .into_iter()
    .any(|id| findings.has(id));
    if let (Some(seconds), Some(source)) = (lag.effective_s, lag.source) {
        let detail = format!("{seconds:.1} s behind ({source})");
        if seconds > STALE_CRITICAL_S {
            findings.add(ProblemId::StaleData, name, detail);
        } else if seconds > LAG_WARNING_S && !is_explained {
            findings.add(ProblemId::Lag, name, detail);
        }
    }
    if lag.primary_idle == Some(true) {
        findings.add(
            ProblemId::PrimaryIdle,
            &seeing.primary().name,
            "gtid_executed is what it was at the last run",
        );
    }
}

/// The age of the primary's own row on the replica.
fn heartbeat(seeing: &Seeing, replica: &Observed, findings: &mut Findings) -> Option<f64> {
    let rows = match replica.heartbeats.as_ref()? {
        Reading::Known(rows) => rows,
        Reading::Unknown(reason) => {
            findings.degrade("heartbeat", reason);
            return None;
        }
    };
    let primary = seeing.primary().observed();
    let uuid = primary
        .and_then(|primary| primary.server_uuid.as_ref())
        .or_else(|| {
            replica
                .status()
                .and_then(|status| status.source_uuid.as_ref())
        });
    let Some(age) = uuid.and_then(|uuid| rows.get(uuid)).copied() else {
        findings.degrade("heartbeat", "the table has no row of the primary");
        return None;
    };
    // Written and read by two clocks.
    let skew_ms = match primary.map(|primary| primary.clock_offset_ms) {
        Some(Some(primary_ms)) => replica.clock_offset_ms.unwrap_or_default() - primary_ms,
        _ => 0,
    };
    let seconds = |microseconds: i64| {
        #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
        let seconds = microseconds as f64 / 1e6;
        seconds
    };
    let written = primary.and_then(|primary| {
        let own = primary.heartbeats.as_ref()?.known()?;
        own.get(uuid?).copied()
    });
    if let Some(written) = written
        && seconds(written) > HEARTBEAT_DEAD_S
    {
        findings.degrade(
            "heartbeat",
            format!(
                "the primary's own row is {:.0} s old: nobody writes it",
                seconds(written)
            ),
        );
        return None;
    }
    // Two offsets measured over a network are good to some tenths of a second; less is no skew.
    let correction = if skew_ms.abs() > 500 {
        skew_ms.saturating_mul(1000)
    } else {
        0
    };
    Some(seconds(age.saturating_sub(correction)).max(0.0))
}

fn stale(seeing: &Seeing, history: &History) -> Option<f64> {
    let awaited = history.memory()?.awaited.as_ref()?;
    let has_it = seeing.differences.as_ref().ok()?.has_awaited?;
    let since = seeing.now.duration_since(awaited.at).as_secs_f64();
    Some(if has_it { 0.0 } else { since.max(0.0) })
}

fn idle(seeing: &Seeing, history: &History) -> Option<bool> {
    let before = history.memory()?.primary_executed.as_deref()?;
    let now = seeing.differences.as_ref().ok()?.executed.as_ref()?;
    Some(before == now.as_str())
}
