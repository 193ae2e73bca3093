//! The registry against a real Dovecot: accounts that come, change and go while the service runs, and what of their
//! passwords lies on the disk.

use super::world::{Setup, World, address, password, said};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A world whose config has a vault and no accounts; Dovecot knows these users.
async fn world(users: &[&'static str]) -> World {
    let world = World::new(Setup { users: users.to_vec(), ..Setup::default() }).await;
    let mut text = std::fs::read_to_string(&world.file).unwrap();
    text.truncate(text.find("[[account]]").unwrap());
    text += "[vault]\nmaster_key = { file = \"master.key\" }\n";
    std::fs::write(&world.file, text).unwrap();
    let key = world.dir.path().join("master.key");
    let (code, told) = said(&world, &["vault", "new-key", key.to_str().unwrap()]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    world
}

/// A file in the world's directory, for its owner alone.
fn put(world: &World, name: &str, text: &str) -> String {
    let path = world.dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs a command that is to end well.
fn well(world: &World, args: &[&str]) -> String {
    let (code, told) = said(world, args);
    assert_eq!(code, 0, "{args:?}: {told}");
    told
}

/// Waits until the INBOX of this user is bound.
async fn is_bound(world: &World, user: &str) {
    world.until("the INBOX is bound", async || !world.status(user)["folders"][0]["fresh_seconds"].is_null()).await;
}

fn add(world: &World, user: &str, secret: &str) {
    let file = put(world, "one.password", secret);
    let address = address(user);
    well(world, &["account", "add", &address, "--user", user, "--provider", "test", "--password-file", &file]);
    std::fs::remove_file(file).unwrap();
}

/// Whether these bytes are in any file below.
fn lies_in(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return lies_in(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_comes_is_disabled_and_goes_while_the_service_runs() {
    let mut world = world(&["zhangsan"]).await;
    world.mail("zhangsan", "登记之前", "before").await;
    world.run().await;
    add(&world, "zhangsan", &password("zhangsan"));
    is_bound(&world, "zhangsan").await;
    world.mail("zhangsan", "登记之后", "after").await;
    world.sees("zhangsan", &["登记之后"]).await;
    well(&world, &["account", "disable", &address("zhangsan"), "--why", "休假"]);
    world.is_in_state("zhangsan", "disabled").await;
    world.mail("zhangsan", "停用期间", "during").await;
    well(&world, &["account", "enable", &address("zhangsan")]);
    world.sees("zhangsan", &["登记之后", "停用期间"]).await;
    // The passwords are on the disk nowhere: not in the store, its exports, the keyring, the audit or the log.
    well(&world, &["state", "export"]);
    for folder in ["state", "state.exports", "audit"] {
        assert!(!lies_in(&world.dir.path().join(folder), &password("zhangsan")), "{folder}");
    }
    assert!(!world.log().contains(&password("zhangsan")));
    let keyring = || std::fs::read_to_string(world.dir.path().join("keyring")).unwrap();
    assert!(keyring().contains(&address("zhangsan")) && !keyring().contains(&password("zhangsan")));
    let (code, told) = said(&world, &["account", "remove", &address("zhangsan")]);
    assert!(code == 1 && told.contains("--yes"), "{told}");
    well(&world, &["account", "remove", &address("zhangsan"), "--yes", "--why", "离职"]);
    assert!(!keyring().contains(&address("zhangsan")), "its key is destroyed");
    world.until("nobody is watched", async || world.all_status()["accounts"].as_array().unwrap().is_empty()).await;
    // Bound again it begins anew: what came meanwhile is no news.
    world.mail("zhangsan", "解绑之后", "gone").await;
    add(&world, "zhangsan", &password("zhangsan"));
    is_bound(&world, "zhangsan").await;
    world.mail("zhangsan", "重新登记", "again").await;
    world.sees("zhangsan", &["登记之后", "停用期间", "重新登记"]).await;
    assert!(!world.chat_text("zhangsan").await.contains("解绑之后"));
    let audit = well(&world, &["audit", "list", "--json"]);
    for word in ["account.add", "account.disable", "account.enable", "account.remove", "service.start", "state.export"]
    {
        assert!(audit.contains(&format!("\"what\":\"{word}\"")), "{word} is not in\n{audit}");
    }
    assert!(audit.contains("离职") && !audit.contains(&password("zhangsan")));
    assert!(well(&world, &["audit", "verify"]).contains("the audit is whole"));
    // Who takes a copy of the audit stands in it.
    let out = world.dir.path().join("audit.jsonl");
    well(&world, &["audit", "export", "--to-file", out.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), audit.lines().count());
    assert!(well(&world, &["audit", "list", "--what", "audit.export", "--json"]).contains("\"records\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_for_a_running_service() {
    let mut world = world(&["zhangsan"]).await;
    world.run().await;
    add(&world, "zhangsan", "hunter2");
    world.is_in_state("zhangsan", "login_refused").await;
    let (code, told) = said(&world, &["account", "test", &address("zhangsan")]);
    assert!(code == 1 && told.contains("AUTHENTICATIONFAILED") && told.contains("→"), "{told}");
    let file = put(&world, "new.password", &password("zhangsan"));
    well(&world, &["account", "set-password", &address("zhangsan"), "--password-file", &file]);
    world.is_in_state("zhangsan", "watching").await;
    assert!(well(&world, &["account", "test", &address("zhangsan")]).contains("logged in"));
    world.mail("zhangsan", "密码换好", "m").await;
    world.sees("zhangsan", &["密码换好"]).await;
    let audit = well(&world, &["audit", "list", "--what", "account.set_password", "--json"]);
    assert!(audit.contains(&address("zhangsan")) && !audit.contains(&password("zhangsan")), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_is_changed_under_a_running_service_and_kept_over_its_restart() {
    let mut world = world(&["zhangsan"]).await;
    world.run().await;
    add(&world, "zhangsan", &password("zhangsan"));
    world.is_in_state("zhangsan", "watching").await;
    let key = world.dir.path().join("second.key");
    well(&world, &["vault", "new-key", key.to_str().unwrap()]);
    let text = std::fs::read_to_string(&world.file).unwrap();
    let one = "master_key = { file = \"master.key\" }";
    let both = "master_key = { file = \"second.key\" }\nold_master_key = { file = \"master.key\" }";
    std::fs::write(&world.file, text.replace(one, both)).unwrap();
    assert!(well(&world, &["vault", "status"]).contains("former master key"));
    world.signal("HUP");
    world.until("the keys are wrapped anew", async || world.log().contains("wrapped by the new master key")).await;
    std::fs::write(&world.file, text.replace(one, "master_key = { file = \"second.key\" }")).unwrap();
    assert!(well(&world, &["vault", "status"]).contains("1 key(s)"));
    world.stop().await;
    world.run().await;
    world.is_in_state("zhangsan", "watching").await;
    world.stop().await;
    // With the first key again nothing opens, and it is said which key is wanted.
    std::fs::write(&world.file, &text).unwrap();
    let (code, told) = said(&world, &["run"]);
    assert!(code == 1 && told.contains("made with another master key"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_its_keyring_opens_no_password() {
    let mut world = world(&["zhangsan"]).await;
    add(&world, "zhangsan", &password("zhangsan"));
    std::fs::remove_file(world.dir.path().join("keyring")).unwrap();
    world.run().await;
    world.is_in_state("zhangsan", "login_refused").await;
    let error = world.status("zhangsan")["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("the keyring has no key") && error.contains("set-password"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_master_key_no_password_is_stored() {
    let world = world(&["zhangsan"]).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, &text[..text.find("[vault]").unwrap()]).unwrap();
    let file = put(&world, "one.password", "hunter2");
    let args =
        ["account", "add", &address("zhangsan"), "--user", "zhangsan", "--provider", "test", "--password-file", &file];
    let (code, told) = said(&world, &args);
    assert!(code == 2 && told.contains("vault new-key"), "{told}");
    assert!(well(&world, &["account", "list"]).contains("no accounts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_wins_over_the_registry() {
    let mut world = world(&["zhangsan"]).await;
    add(&world, "zhangsan", "hunter2");
    let text = std::fs::read_to_string(&world.file).unwrap();
    let of_file = format!(
        "[[account]]\nuser = \"zhangsan\"\nemail = \"{}\"\nprovider = \"test\"\npassword = \"{}\"\n",
        address("zhangsan"),
        password("zhangsan")
    );
    std::fs::write(&world.file, format!("{text}{of_file}")).unwrap();
    world.run().await;
    world.is_in_state("zhangsan", "watching").await;
    let listed = well(&world, &["account", "list"]);
    assert!(listed.contains("config file") && listed.contains("replaced by the file"), "{listed}");
    // Taken out of the file, it is the registry's again, with the registry's password.
    std::fs::write(&world.file, &text).unwrap();
    world.signal("HUP");
    world.is_in_state("zhangsan", "login_refused").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_is_taken_whole_or_not_and_again_without_a_change() {
    let mut world = world(&["zhangsan", "lisi", "wangwu"]).await;
    world.run().await;
    let line = |user: &str, provider: &str| format!("{user},{},{provider},{}\n", address(user), password(user));
    let head = "成员账号,邮箱,服务商,密码\n";
    let good = put(&world, "good.csv", &format!("{head}{}{}", line("zhangsan", "test"), line("lisi", "test")));
    let bad = put(&world, "bad.csv", &format!("{head}{}{}", line("zhangsan", "tset"), line("wangwu", "test")));
    let (code, told) = said(&world, &["account", "import", &bad]);
    assert!(code == 2 && told.contains("line 2") && told.contains("did you mean \"test\"?"), "{told}");
    assert!(told.contains("nothing was changed"), "{told}");
    assert!(well(&world, &["account", "list"]).contains("no accounts"));
    let dry = well(&world, &["account", "import", &good, "--dry-run"]);
    assert!(dry.contains("added 2, changed 0") && dry.contains("nothing was changed"), "{dry}");
    assert!(well(&world, &["account", "list"]).contains("no accounts"));
    assert!(well(&world, &["account", "import", &good, "--test"]).contains("0 login(s) failed"));
    world.is_in_state("zhangsan", "watching").await;
    world.is_in_state("lisi", "watching").await;
    assert!(well(&world, &["account", "import", &good]).contains("added 0, changed 0, unchanged 2"));
    let (code, told) = said(&world, &["account", "import", &bad, "--partial"]);
    assert!(code == 1 && told.contains("added 1") && told.contains("wrong 1"), "{told}");
    world.is_in_state("wangwu", "watching").await;
    let (_, told) = said(&world, &["account", "import", &good, "--remove-missing"]);
    assert!(told.contains("--yes"), "{told}");
    assert!(well(&world, &["account", "import", &good, "--remove-missing", "--yes"]).contains("removed 1"));
    world.until("wangwu is gone", async || world.all_status()["accounts"].as_array().unwrap().len() == 2).await;
    let out = world.dir.path().join("out.csv");
    well(&world, &["account", "export", out.to_str().unwrap()]);
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.contains(&address("lisi")) && !text.contains(&password("lisi")));
    let told = well(&world, &["account", "import", out.to_str().unwrap()]);
    assert!(told.contains("added 0, changed 0, unchanged 2"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_leaves_no_account_without_its_password() {
    let world = world(&["zhangsan"]).await;
    let lines: String = (0..2000).map(|n| format!("u{n},u{n}@corp.example,test,secret {n}\n")).collect();
    let sheet = put(&world, "many.csv", &format!("userid,email,provider,password\n{lines}"));
    let mut seen = Vec::new();
    for round in 0..6 {
        let mut import = world.command(&["account", "import", &sheet]);
        let mut child = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Somewhere in the import, later from round to round; the moment decides nothing about what must hold.
        tokio::time::sleep(Duration::from_millis(300 + round * 250)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let all: serde_json::Value = serde_json::from_str(&well(&world, &["account", "list", "--json"])).unwrap();
        let accounts = all["accounts"].as_array().unwrap();
        assert!(accounts.iter().all(|account| account["trouble"].is_null() && account["has_password"] == true));
        let keys = std::fs::read_to_string(world.dir.path().join("keyring")).unwrap().lines().count() - 1;
        // A store without any account may be a wrong one: keys are not destroyed for it.
        if !accounts.is_empty() {
            assert_eq!(keys, accounts.len(), "a key for each account, and no other");
        }
        well(&world, &["audit", "verify"]);
        seen.push(accounts.len());
    }
    let told = well(&world, &["account", "import", &sheet]);
    let left = 2000 - seen.last().unwrap();
    assert!(told.contains(&format!("added {left}, changed 0, unchanged {}", seen.last().unwrap())), "{seen:?} {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_password_goes_to_no_other_server() {
    let world = world(&["zhangsan"]).await;
    add(&world, "zhangsan", &password("zhangsan"));
    let sheet = put(&world, "move.csv", &format!("userid,email,host\nzhangsan,{},evil.example\n", address("zhangsan")));
    let (code, told) = said(&world, &["account", "import", &sheet]);
    assert!(code == 2 && told.contains("the server changes"), "{told}");
    let with = format!("userid,email,host,password\nzhangsan,{},imap.corp.example,hunter2\n", address("zhangsan"));
    well(&world, &["account", "import", &put(&world, "moved.csv", &with)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_all_mailboxes_goes_to_no_host_of_an_entry() {
    let world = world(&["zhangsan"]).await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    let oauth = "[oauth.corp]\nflow = \"client_credentials\"\ntoken_url = \"https://login.corp.example/token\"\nclient_id = \"x\"\nclient_secret = \"x\"\n";
    let master = "[provider.coremail]\nmaster_user = \"m\"\nmaster_password = \"x\"\n";
    std::fs::write(&world.file, format!("{text}{oauth}{master}")).unwrap();
    for more in [["--oauth", "corp"], ["--provider", "coremail"]] {
        let args =
            ["account", "add", &address("zhangsan"), "--user", "zhangsan", "--host", "evil.example", more[0], more[1]];
        let (code, told) = said(&world, &args);
        assert!(code == 2 && told.contains("not sent to a host"), "{told}");
    }
}

/// The keys of a store that was lost, and may come back, are kept.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_costs_no_keys() {
    let world = world(&["zhangsan"]).await;
    add(&world, "zhangsan", &password("zhangsan"));
    let (store, aside) = (world.dir.path().join("state"), world.dir.path().join("aside"));
    std::fs::rename(&store, &aside).unwrap();
    assert!(well(&world, &["account", "list"]).contains("no accounts"));
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&aside, &store).unwrap();
    assert!(well(&world, &["account", "test", &address("zhangsan")]).contains("logged in"));
}

/// The audit is written first; what then cannot be done must not stand in it as done alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_after_it_was_noted_is_noted_as_failed() {
    let world = world(&["zhangsan"]).await;
    well(&world, &["account", "list"]);
    // The keyring cannot be written anew: a directory has the name that it grows under.
    let growing = world.dir.path().join("keyring.new");
    std::fs::create_dir(&growing).unwrap();
    let (file, who) = (put(&world, "one.password", "hunter2"), address("zhangsan"));
    let args = ["account", "add", &who, "--user", "zhangsan", "--provider", "test", "--password-file", &file];
    let (code, told) = said(&world, &args);
    assert!(code == 1 && told.contains("keyring"), "{told}");
    assert!(well(&world, &["account", "list"]).contains("no accounts"));
    let audit = well(&world, &["audit", "list", "--what", "account.add", "--json"]);
    assert_eq!(audit.lines().count(), 2, "{audit}");
    assert!(audit.lines().next().unwrap().contains("\"refused\":\"it failed"), "{audit}");
    std::fs::remove_dir(&growing).unwrap();
    well(&world, &args);
}
