//! Who leaves WeCom: found, marked, unbound, and the audit proves it.

use super::world::{Setup, World, address, password, said};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// A running world with a vault, these members, an account of the registry for each, and these lines of `[directory]`.
async fn world(users: &[&'static str], directory: &str) -> World {
    let mut world = World::new(Setup { users: users.to_vec(), ..Setup::default() }).await;
    let mut text = std::fs::read_to_string(&world.file).unwrap();
    text.truncate(text.find("[[account]]").unwrap());
    text = text.replace("[web]", "contacts_secret = \"contacts\"\n[web]");
    text += "[admin]\nrecipients = [\"wangwu\"]\n[vault]\nmaster_key = { file = \"master.key\" }\n";
    std::fs::write(&world.file, format!("{text}[directory]\n{directory}\n")).unwrap();
    well(&world, &["vault", "new-key", world.dir.path().join("master.key").to_str().unwrap()]);
    let line = |user: &&str| format!("{user},{},test,{}\n", address(user), password(user));
    let sheet = world.dir.path().join("sheet.csv");
    std::fs::write(&sheet, format!("userid,email,provider,password\n{}", users.iter().map(line).collect::<String>()))
        .unwrap();
    std::fs::set_permissions(&sheet, std::fs::Permissions::from_mode(0o600)).unwrap();
    well(&world, &["account", "import", sheet.to_str().unwrap()]);
    world.control(json!({"contacts_secret": "contacts"})).await;
    world.run().await;
    world
}

fn well(world: &World, args: &[&str]) -> String {
    let (code, told) = said(world, args);
    assert_eq!(code, 0, "{args:?}: {told}");
    told
}

fn reconciled(world: &World) -> Value {
    serde_json::from_str(&well(world, &["account", "reconcile", "--json"])).unwrap()
}

fn states(world: &World) -> Vec<String> {
    let all: Value = serde_json::from_str(&well(world, &["account", "list", "--json"])).unwrap();
    let one = |account: &Value| {
        format!(
            "{} {}",
            account["account"].as_str().unwrap().split('@').next().unwrap(),
            account["state"].as_str().unwrap()
        )
    };
    all["accounts"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_unbound_at_once_and_the_audit_proves_it() {
    let world = world(&["zhangsan", "lisi", "wangwu"], "leavers = \"unbind\"\ngrace = \"0s\"").await;
    let before = reconciled(&world);
    assert_eq!((&before["users"], &before["unbound"]), (&json!(3), &json!([])), "{before}");
    world.control(json!({"remove_member": "lisi"})).await;
    let dry: Value = serde_json::from_str(&well(&world, &["account", "reconcile", "--dry-run", "--json"])).unwrap();
    assert_eq!(dry["unbound"], json!([address("lisi")]));
    assert_eq!(states(&world).len(), 3, "a dry run changes nothing");
    let done = reconciled(&world);
    assert_eq!(done["unbound"], json!([address("lisi")]), "{done}");
    assert_eq!(states(&world), ["wangwu enabled", "zhangsan enabled"]);
    world.until("its worker is gone", async || world.all_status()["accounts"].as_array().unwrap().len() == 2).await;
    let keyring = std::fs::read_to_string(world.dir.path().join("keyring")).unwrap();
    assert!(!keyring.contains(&address("lisi")), "its key is destroyed");
    let audit = well(&world, &["audit", "list", "--user", &address("lisi"), "--what", "account.remove", "--json"]);
    assert!(audit.contains("left WeCom") && audit.contains("\"credential\":\"destroyed\""), "{audit}");
    assert!(audit.contains("\"user\":\"lisi\""), "{audit}");
    well(&world, &["audit", "verify"]);
    world.sees("wangwu", &["已解绑并销毁密码", &address("lisi")]).await;
    // The others go on.
    world.mail("zhangsan", "照常", "m").await;
    world.sees("zhangsan", &["照常"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_grace_time_a_leaver_is_watched_on_and_may_come_back() {
    let world = world(&["zhangsan", "lisi", "wangwu"], "leavers = \"unbind\"\ngrace = \"24h\"").await;
    world.control(json!({"set_status": {"userid": "lisi", "status": 2}})).await;
    let done = reconciled(&world);
    assert_eq!((&done["leaving"], &done["unbound"]), (&json!([address("lisi")]), &json!([])), "{done}");
    assert_eq!(states(&world), ["lisi leaving", "wangwu enabled", "zhangsan enabled"]);
    assert_eq!(world.status("lisi")["state"], "watching");
    world.control(json!({"set_status": {"userid": "lisi", "status": 1}})).await;
    assert_eq!(reconciled(&world)["back"], json!([address("lisi")]));
    assert_eq!(states(&world)[0], "lisi enabled");
    let audit = well(&world, &["audit", "list", "--user", "lisi", "--json"]);
    assert!(audit.contains("directory.leaver") && audit.contains("directory.return"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_taken_for_a_mistake_and_a_stopped_app_for_nobody() {
    let world = world(&["zhangsan", "lisi", "wangwu"], "leavers = \"unbind\"\ngrace = \"0s\"\nmost_leavers = 1").await;
    for user in ["zhangsan", "lisi"] {
        world.control(json!({"remove_member": user})).await;
    }
    let done = reconciled(&world);
    assert_eq!((&done["held"], &done["unbound"]), (&json!(2), &json!([])), "{done}");
    assert_eq!(states(&world).len(), 3);
    world.sees("wangwu", &["视为异常"]).await;
    world.control(json!({"close_app": true})).await;
    let (code, told) = said(&world, &["account", "reconcile"]);
    assert!(code == 1 && told.contains("cannot be compared"), "{told}");
    assert_eq!(states(&world).len(), 3);
}

/// WeCom says the same of who is gone and of who is not visible; only the list of all members tells which.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_list_of_members_nobody_who_is_not_found_is_unbound() {
    let mut world = world(&["zhangsan", "lisi", "wangwu"], "leavers = \"unbind\"\ngrace = \"0s\"").await;
    world.stop().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace("contacts_secret = \"contacts\"\n", "")).unwrap();
    world.run().await;
    world.control(json!({"remove_member": "lisi"})).await;
    let done = reconciled(&world);
    assert_eq!((&done["not_found"], &done["unbound"]), (&json!(["lisi"]), &json!([])), "{done}");
    assert_eq!(states(&world), ["lisi enabled", "wangwu enabled", "zhangsan enabled"]);
    world.sees("wangwu", &["企业微信查无此人"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_leavers_are_only_reported() {
    let world = world(&["zhangsan", "lisi", "wangwu"], "").await;
    world.control(json!({"remove_member": "lisi"})).await;
    for _ in 0..2 {
        assert_eq!(reconciled(&world)["reported"], json!([address("lisi")]));
    }
    assert_eq!(states(&world).len(), 3);
    world.sees("wangwu", &["成员已不在企业微信，请处理"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn userids_are_made_of_addresses() {
    let world = World::new(Setup { users: vec!["zhangsan"], ..Setup::default() }).await;
    let mut text = std::fs::read_to_string(&world.file).unwrap();
    text.truncate(text.find("[[account]]").unwrap());
    let provider = "[provider.master]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nmaster_user = \"m\"\nmaster_password = \"m\"\n";
    std::fs::write(&world.file, format!("{text}{provider}")).unwrap();
    let sheet = world.dir.path().join("sheet.csv");
    std::fs::write(&sheet, "email,provider\nZhao.Liu@corp.example,master\nsun@corp.example,master\n").unwrap();
    let file = sheet.to_str().unwrap();
    assert_eq!(said(&world, &["account", "import", file]).0, 2, "nobody is said to own them");
    well(&world, &["account", "import", file, "--userid", "localpart"]);
    let show = |name: &str| well(&world, &["account", "show", &address(name)]);
    assert!(show("zhao.liu").contains("user: Zhao.Liu") && show("sun").contains("user: sun"));
    let told = well(&world, &["account", "import", file, "--userid", "email"]);
    assert!(told.contains("changed 2") && show("sun").contains("user: sun@corp.example"), "{told}");
}
