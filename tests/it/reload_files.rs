//! The configuration is read again when its files have changed, without a signal.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::*;

fn limited(bytes: usize) -> String {
    config(&format!("[apps.it.limits]\nevent_bytes = {bytes}"))
}

fn event(data: &str) -> Value {
    json!({"name": "x", "channel": "elsewhere", "data": data})
}

async fn until_limited(server: &TestServer, bytes: usize) {
    until(format!("a limit of {bytes} bytes"), async || {
        let fits = server.post("/events", &event(&"x".repeat(bytes))).await.status;
        let larger = server.post("/events", &event(&"x".repeat(bytes + 1))).await.status;
        ((fits, larger) == (200, 413)).then_some(())
    })
    .await;
}

fn replace(server: &TestServer, name: &str, text: &str) {
    let beside = server.dir.write("beside", text);
    std::fs::rename(beside, server.dir.path().join(name)).expect("a file");
}

#[tokio::test]
async fn c_changed_file_is_reloaded() {
    let mut it = ReloadFixture::start(&config("")).await;
    // Written in place, in two parts: the first part alone must not be applied.
    let text = limited(5000);
    it.server.dir.write("sealcast.toml", &text[..text.len() / 2]);
    it.server.dir.write("sealcast.toml", &text);
    until_limited(&it.server, 5000).await;
    // Replaced by a rename, as editors do.
    replace(&it.server, "sealcast.toml", &limited(6000));
    until_limited(&it.server, 6000).await;
    it.still_delivers("one").await;

    // The error is logged once, and the next version is applied.
    replace(&it.server, "sealcast.toml", "nonsense = 1");
    it.until_logged("unknown setting \"nonsense\"", 1).await;
    until_limited(&it.server, 6000).await;
    replace(&it.server, "sealcast.toml", &limited(7000));
    until_limited(&it.server, 7000).await;

    // A file missing for longer than a replacement takes is logged, too.
    let path = it.server.dir.path().join("sealcast.toml");
    std::fs::remove_file(&path).expect("a file");
    it.until_logged("cannot read the configuration file", 1).await;
    until_limited(&it.server, 7000).await;
    assert_eq!(it.server.reloads(Reload::Refused).await, 2);
    replace(&it.server, "sealcast.toml", &limited(8000));
    until_limited(&it.server, 8000).await;
    it.stop().await;
}

#[tokio::test]
async fn c_referenced_files_are_watched() {
    let secret = TempDir::new();
    let path = secret.write("secret", APP.secret);
    let text = config("").replace(
        &format!("secret = \"{}\"", APP.secret),
        &format!("secret_file = \"{}\"", path.display()),
    );
    let mut it = ReloadFixture::start(&text).await;
    it.still_delivers("one").await;
    let new = App { secret: "another-secret-0d1f", ..APP };
    secret.write("secret", new.secret);
    // Not by requests: those with a wrong signature would lower the rate.
    it.server.until_reloads(Reload::Taken, 1).await;
    it.server.post_as(new, "/events", &event("1")).await.expect(200, "the secret in the file");
    it.server.post("/events", &event("1")).await.expect(401, "the secret of before");

    // While the file is readable by others, the old secret stays in force.
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    std::fs::write(&path, "a-third-secret").expect("a file");
    mode(0o644);
    it.server.until_reloads(Reload::Refused, 1).await;
    it.until_logged("chmod 600", 1).await;
    it.server.post_as(new, "/events", &event("1")).await.expect(200, "the second secret");
    mode(0o600);
    it.server.hang_up(Reload::Taken).await;
    it.server.post_as(new, "/events", &event("1")).await.expect(401, "the second secret");
    it.until_logged("config.changed=\"apps.it.secret_file\"", 2).await;
    it.server.stop().await;
}

/// As Kubernetes mounts a ConfigMap: names lead through one symlink, which is replaced.
#[tokio::test]
async fn c_retargeted_symlink_is_a_change() {
    let launch = Launch::new(&["serve"]).arg("--listen").arg("127.0.0.1:0").ops();
    let mount = launch.dir().path().join("mount");
    let version = |name: &str, text: &str| {
        let dir = mount.join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("sealcast.toml"), text).expect("a file");
        let link = mount.join("..data.new");
        symlink(Path::new(name), &link).expect("a link");
        std::fs::rename(link, mount.join("..data")).expect("a link");
    };
    version("..v1", &limited(3000));
    symlink("..data/sealcast.toml", mount.join("sealcast.toml")).expect("a link");
    let launch = launch.arg("--config").arg(mount.join("sealcast.toml"));
    let mut it = ReloadFixture::of(launch.start().await).await;
    until_limited(&it.server, 3000).await;
    for (name, bytes) in [("..v2", 4000), ("..v3", 5000)] {
        version(name, &limited(bytes));
        until_limited(&it.server, bytes).await;
        it.still_delivers(name).await;
    }
    it.stop().await;
}

#[tokio::test]
async fn c_files_are_not_watched_if_disabled() {
    let off = |more: &str| config_of("watch_config = false", &[(APP, more)]);
    let it = ReloadFixture::start(&off("")).await;
    let later = off("[apps.it.limits]\nevent_bytes = 9");
    replace(&it.server, "sealcast.toml", &later);
    // Longer than the two looks after which a changed file is read.
    tokio::time::sleep(Duration::from_secs(3)).await;
    it.server.post("/events", &event("0123456789")).await.expect(200, "not read yet");
    it.server.hang_up(Reload::Taken).await;
    it.server.post("/events", &event("0123456789")).await.expect(413, "read by the signal");
    assert_eq!(it.server.reloads(Reload::Taken).await, 1);
    // The watch setting can be changed by a reload.
    it.apply(&limited(11)).await;
    replace(&it.server, "sealcast.toml", &limited(12000));
    until_limited(&it.server, 12000).await;
    it.stop().await;
}
