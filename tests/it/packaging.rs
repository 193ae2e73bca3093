//! What the Debian package is made of is there, and fits together; that it installs and works is shown by `make test-deb`.

use mailbell::config;
use mailbell::model::Lang;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn template() -> String {
    fs::read_to_string(top().join("packaging/deb/mailbell.toml")).unwrap()
}

fn metadata() -> toml::Table {
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(top().join("Cargo.toml")).unwrap()).unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

fn load(text: &str) -> Result<config::Config, String> {
    let folder = tempfile::tempdir().unwrap();
    for name in ["wecom.secret", "zhangsan.password"] {
        let path = folder.path().join(name);
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let loaded = config::load_text(&folder.path().join("mailbell.toml"), text, &|_: &str| None);
    loaded.map_err(|problems| problems.text(Lang::En))
}

#[test]
fn the_packages_config_asks_for_what_is_missing_and_works_once_it_is_there() {
    let told = load(&template()).expect_err("nothing is filled in");
    for key in ["corp_id", "agent_id"] {
        assert!(told.contains(key), "{told}");
    }
    let filled = template().replace("corp_id = \"\"", "corp_id = \"ww1\"").replace("agent_id = 0", "agent_id = 7");
    let account: Vec<_> = ["# [[account]]", "# user ", "# email ", "# provider ", "# password "].into();
    let lines = filled.lines().map(|line| match account.iter().any(|start| line.starts_with(start)) {
        true => line.trim_start_matches("# "),
        false => line,
    });
    let loaded = load(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!((loaded.accounts.len(), loaded.state.path), (1, PathBuf::from("/var/lib/mailbell/state")));
}

/// Those below `target/` are made when the package is.
#[test]
fn what_the_package_holds_is_there() {
    let metadata = metadata();
    let assets = metadata["assets"].as_array().unwrap();
    let sources = assets.iter().map(|asset| asset[0].as_str().unwrap());
    let missing: Vec<_> = sources.filter(|path| !path.starts_with("target/") && !top().join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let scripts = top().join(metadata["maintainer-scripts"].as_str().unwrap());
    for script in ["postinst", "postrm"] {
        let path = scripts.join(script);
        assert!(Command::new("sh").arg("-n").arg(&path).status().unwrap().success(), "{script}");
        assert!(fs::read_to_string(&path).unwrap().contains("\n#DEBHELPER#\n"), "{script}");
    }
    let kept = metadata["conf-files"].as_array().unwrap();
    assert_eq!(kept.iter().map(|file| file.as_str().unwrap()).collect::<Vec<_>>(), ["/etc/mailbell/mailbell.toml"]);
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let program = || Command::new(env!("CARGO_BIN_EXE_mailbell"));
    assert!(program().arg("manual").arg(folder.path()).status().unwrap().success());
    let help = String::from_utf8(program().arg("--help").output().unwrap().stdout).unwrap();
    assert!(!help.contains("manual pages"), "it is for those who make packages");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names.iter().filter(|name| !name.is_empty()) {
        let page = fs::read_to_string(folder.path().join(format!("mailbell-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
}

/// systemd's own judgement.
#[test]
fn systemd_takes_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(top().join("config/mailbell.service")).unwrap();
    let unit = folder.path().join("mailbell.service");
    let program = format!("ExecStart={} ", env!("CARGO_BIN_EXE_mailbell"));
    assert!(text.contains("\nExecStart=/usr/local/bin/mailbell --config /etc/mailbell/mailbell.toml run\n"));
    fs::write(&unit, text.replace("ExecStart=/usr/local/bin/mailbell ", &program)).unwrap();
    let Ok(out) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output() else {
        eprintln!("NOT RUN: systemd's own judgement of the unit. systemd-analyze is missing");
        return;
    };
    let said = String::from_utf8_lossy(&out.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("mailbell.service")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}
