//! Files that the server goes on with, checked without changing anything.

use crate::{
    config::Findings,
    engine::opening,
    observe::audit,
    platform::state_dir::{ClaimError, FileRefusal, StateDir},
};

/// Notes what a start would refuse.
pub fn check(findings: &mut Findings<'_>) {
    let Some(config) = &findings.config else { return };
    let state_dir = config.state_dir.clone();
    let audit = config.audit_file.as_deref().map_or(Ok(()), audit::check);
    // A part of an app that is at fault says nothing about its files.
    let apps = config.apps.iter().filter(|_| findings.is_good());
    let apps: Vec<(String, String)> = apps
        .filter_map(|app| {
            let error = opening::check(app, &state_dir).err()?;
            Some((format!("apps.{}", app.id), error.to_string()))
        })
        .collect();
    match StateDir::check(&state_dir) {
        Ok(()) => {}
        // As it is for root, who asks about a server of another user.
        Err(ClaimError::Refused { path, reason: FileRefusal::ForeignOwner { owner, us, .. } }) => {
            findings.warnings.push(format!(
                "the state directory {} belongs to the user {owner}, and this check runs as {us}: what is in it is not checked; run it as the server's user",
                path.display()
            ));
            return;
        }
        Err(error @ ClaimError::Unusable { .. }) => {
            findings
                .warnings
                .push(format!("{error}: keys cannot be changed while the server runs"));
        }
        Err(error) => findings.add("state_dir", error.to_string()),
    }
    if let Err(error) = audit {
        findings.add("audit_file", error.to_string());
    }
    apps.into_iter().for_each(|(setting, message)| findings.add(&setting, message));
}
