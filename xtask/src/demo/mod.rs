//! `cargo xtask demo`: from nothing to a verified upload, with the programs that are deployed.
//!
//! The order of the steps is here; how one is shown in `report`, what they do in their own files.

mod objects;
mod refusals;
mod report;
mod rotation;
mod traffic;
mod try_next;

use std::path::Path;
use std::process::ExitCode;

use self::report::Report;
use crate::services::{CORE, Client, Core, MEDIA, Media, Watch, build, new_password, text};
use crate::stop::{Interrupt, Outcome, failed};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// What happens after the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything is stopped.
    Stop,
    /// It keeps serving until Ctrl-C.
    Serve,
}

/// What an app in the demo may ask for.
const SCOPES: [&str; 2] = ["media:read", "media:write"];

const USER_EMAIL: &str = "user@example.com";

/// The running stage, and who plays on it.
struct Stage<'a> {
    core: Core,
    media: Media,
    client: Client,
    interrupt: &'a Interrupt,
    watch: Watch,
    app_id: String,
    other_app_id: String,
    user: User,
}

/// A user as they log in.
struct User {
    id: String,
    password: String,
}

impl Stage<'_> {
    /// A fresh access token of the user for the app.
    fn log_in(&self) -> Outcome<String> {
        self.core
            .log_in(&self.app_id, USER_EMAIL, &self.user.password)
    }
}

/// Shows everything; the exit status says whether all of it went well.
pub(crate) fn run(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    end: End,
) -> ExitCode {
    let watch = Watch::default();
    let mut report = Report::new(terminal, interrupt, watch.clone());
    let played = tempfile::Builder::new()
        .prefix("dailey-demo-")
        .tempdir()
        .map_err(|error| failed("cannot make a temporary folder (TMPDIR says where)", error))
        .and_then(|folder| {
            let played = play(workspace, interrupt, watch, &mut report, end, folder.path());
            folder
                .close()
                .map_err(|error| failed("cannot remove the temporary folder", error))?;
            played
        });
    report.close(played)
}

fn play(
    workspace: &Workspace,
    interrupt: &Interrupt,
    watch: Watch,
    report: &mut Report<'_>,
    end: End,
    folder: &Path,
) -> Outcome<()> {
    let mut stage = set_up(workspace, interrupt, watch, report, folder)?;
    let token = objects::show(&stage, report)?;
    refusals::show(&stage, report)?;
    rotation::show(&mut stage, report, &token)?;
    if end == End::Serve && report.all_well() {
        try_next::serve(&stage, report, folder)?;
    }
    report.step("stop both services", || {
        stage.media.service.stop()?;
        stage.core.service.stop()?;
        Ok("both ended in order; nothing is left running".to_owned())
    })?;
    if end == End::Stop {
        try_next::explain(report);
    }
    Ok(())
}

/// Everything up to two running services that trust each other.
fn set_up<'a>(
    workspace: &Workspace,
    interrupt: &'a Interrupt,
    watch: Watch,
    report: &mut Report<'_>,
    folder: &Path,
) -> Outcome<Stage<'a>> {
    let client = Client::new();
    let [core_program, media_program] = report.step_with("build both programs", |terminal| {
        if !terminal.is_live() {
            terminal.line("    building (a first build takes some minutes)");
        }
        let programs = build([CORE, MEDIA], workspace, terminal, interrupt)?;
        Ok((
            programs,
            "dailey-core and dailey-media, as cargo builds them from this checkout".to_owned(),
        ))
    })?;
    let core = report.step_with("start Core", |_| {
        let core = Core::start(&core_program, &folder.join("core"), &client, &watch)?;
        let at = format!("{}, process {}", core.service.url(), core.service.id());
        Ok((
            core,
            format!("a fresh key, database and administrator; serves on {at}"),
        ))
    })?;
    let (app_id, other_app_id) = report.step_with("register two apps", |_| {
        let token = core.admin_token()?;
        let app_id = core.register_app(&token, "demo", &SCOPES)?;
        let other_app_id = core.register_app(&token, "other", &SCOPES)?;
        Ok((
            (app_id, other_app_id),
            "the administrator's token has core:admin, and Core verifies its own tokens".to_owned(),
        ))
    })?;
    let user = report.step_with("create a user", |_| {
        let password = new_password();
        let made =
            core.command_with_password(&["users", "create", USER_EMAIL, "--json"], &password)?;
        let user = User {
            id: text(&made, "user_id")?,
            password,
        };
        Ok((
            user,
            format!(
                "{USER_EMAIL}, the password by standard input and not in any list of processes"
            ),
        ))
    })?;
    let media = report.step_with("start DMAPI", |_| {
        let media = Media::start(
            &media_program,
            &folder.join("media"),
            core.service.url(),
            &app_id,
            &watch,
        )?;
        let at = format!("{}, process {}", media.service.url(), media.service.id());
        Ok((
            media,
            format!("fetched Core's key set; serves the one app on {at}"),
        ))
    })?;
    Ok(Stage {
        core,
        media,
        client,
        interrupt,
        watch,
        app_id,
        other_app_id,
        user,
    })
}
