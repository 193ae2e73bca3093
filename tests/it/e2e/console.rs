//! The administrator's console of the running service: in a real browser through the sandbox's play of WeCom's sign-in, and
//! over a restart and a hangup.

use super::world::{Setup, World, address, password, said};
use crate::support::chromium::Chromium;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

const TOKEN: &str = "the-bootstrap-token-of-this-test";

/// A world with a console for wangwu, and lisi known to Dovecot and WeCom alone.
async fn world() -> (World, String) {
    let world = World::new(Setup { users: vec!["zhangsan", "wangwu", "lisi"], ..Setup::default() }).await;
    let host = format!("localhost:{}", world.web.port());
    let mut text = std::fs::read_to_string(&world.file).unwrap();
    text.truncate(text.find("[[account]]\nuser = \"wangwu\"").unwrap());
    let web = format!(
        "[web]\npublic_url = \"http://{host}\"\nadmin_token = \"{TOKEN}\"\nadministrators = [\"wangwu\"]\nreaders = [\"lisi\"]"
    );
    text = text.replacen("[web]", &web, 1);
    text = text.replacen("[wecom]", &format!("[wecom]\nlogin_base = \"http://{}\"", world.sandbox), 1);
    text += "[vault]\nmaster_key = { file = \"master.key\" }\n";
    std::fs::write(&world.file, text).unwrap();
    let key = world.dir.path().join("master.key");
    let (code, told) = said(&world, &["vault", "new-key", key.to_str().unwrap()]);
    assert_eq!(code, 0, "{told}");
    world.control(json!({ "redirect_domain": host })).await;
    (world, format!("http://{host}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_binds_watches_and_unbinds_somebody_in_a_browser() {
    let (mut world, base) = world().await;
    world.run().await;
    let Some(browser) = Chromium::start("zh-CN").await else { return };
    browser.resize(1280, 800).await;
    // Signs in as a member of WeCom, and comes back to the page that was wanted.
    browser.open(&format!("{base}/admin/accounts")).await;
    browser.reads("登录管理后台").await;
    browser.picture("e2e-sign-in").await;
    browser.click("a.button.main").await;
    browser.click("#scan-wangwu").await;
    browser.reads("添加邮箱").await;
    assert_eq!(browser.url().await, format!("{base}/admin/accounts"));
    // Binds lisi.
    browser.click("a[href='/admin/add']").await;
    browser.comes_to("/admin/add").await;
    browser.write("#email", &address("lisi")).await;
    browser.write("#user", "lisi").await;
    browser.click("#provider option[value='test']").await;
    browser.write("#password", &password("lisi")).await;
    browser.picture("e2e-add").await;
    browser.click("button.main").await;
    browser.reads("已添加").await;
    world.until("lisi is watched", async || world.status("lisi")["state"] == "watching").await;
    world.mail("lisi", "给李四的信", "one").await;
    world.sees("lisi", &["给李四的信"]).await;
    browser.click("form[action$='/test'] button").await;
    browser.reads("登录成功").await;
    browser.reads("已发送").await;
    browser.picture("e2e-account").await;
    assert!(!browser.text().await.contains("给李四的信"), "subjects are not shown");
    // Searches, and unbinds by force.
    browser.open(&format!("{base}/admin/accounts")).await;
    browser.write("input[name='q']", "LISI").await;
    browser.click("form.filter button").await;
    browser.comes_to("q=LISI").await;
    browser.click("td.key a").await;
    browser.click("a.button.danger").await;
    browser.write("#address", &address("zhangsan")).await;
    browser.click("button.danger").await;
    browser.reads("没有解绑").await;
    browser.picture("e2e-unbind").await;
    browser.write("#why", "离职").await;
    browser.write("#address", &address("lisi")).await;
    browser.click("button.danger").await;
    browser.reads("已解绑，密码已销毁").await;
    world.until("lisi is gone", async || !world.all_status().to_string().contains("lisi@")).await;
    // And sees all of it in the audit.
    browser.open(&format!("{base}/admin/audit?q=lisi")).await;
    for word in ["account.add", "account.test", "account.remove", "why=离职", "credential=destroyed", "wangwu"] {
        browser.reads(word).await;
    }
    browser.open(&format!("{base}/admin/audit/verify")).await;
    browser.reads("审计记录完整").await;
    browser.picture("e2e-audit").await;
    // But for the refusal above.
    let complaints: Vec<_> = browser.complaints().await.into_iter().filter(|line| !line.contains("400")).collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_is_imported_in_a_browser() {
    let (mut world, base) = world().await;
    world.run().await;
    let Some(browser) = Chromium::start("en").await else { return };
    browser.resize(390, 844).await;
    browser.open(&format!("{base}/admin/import")).await;
    browser.write("#token", TOKEN).await;
    browser.click("form button").await;
    let file = world.dir.path().join("people.csv");
    let (lisi, secret) = (address("lisi"), password("lisi"));
    let text = format!("userid,email,provider,password\r\nlisi,{lisi},test,{secret}\r\nlisi,lisi@,test,{secret}\r\n");
    std::fs::write(&file, text).unwrap();
    browser.choose("#sheet", &file).await;
    browser.click("button.main").await;
    browser.reads("added 1").await;
    browser.reads("line 3").await;
    browser.picture("e2e-import-390").await;
    assert!(browser.overflow().await <= 0);
    browser.click("input[name='partial']").await;
    browser.click("form[action='/admin/import/apply'] button").await;
    browser.reads("Imported: 1 added, 0 changed.").await;
    world.until("lisi is watched", async || world.status("lisi")["state"] == "watching").await;
    browser.open(&format!("{base}/admin")).await;
    browser.picture("e2e-overview-390").await;
    assert!(browser.overflow().await <= 0);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// A client that keeps no cookies and follows nowhere.
struct Hand {
    client: reqwest::Client,
    base: String,
    cookies: HeaderMap,
}

impl Hand {
    fn new(base: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, base: base.to_owned(), cookies: HeaderMap::new() }
    }

    async fn get(&mut self, path: &str) -> (StatusCode, String) {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> (StatusCode, String) {
        let answer = request.headers(self.cookies.clone()).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            if !pair.ends_with('=') {
                self.cookies.insert("cookie", HeaderValue::from_str(pair).unwrap());
            }
        }
        (answer.status(), answer.text().await.unwrap())
    }

    async fn sign_in(&mut self) {
        let (_, page) = self.get("/admin/sign-in").await;
        let csrf = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
        let request = self.client.post(format!("{}/admin/sign-in", self.base));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let (status, text) = self.send(request.body(format!("csrf={csrf}&token={TOKEN}"))).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_restart_and_ends_with_its_token() {
    let (mut world, base) = world().await;
    world.run().await;
    let mut hand = Hand::new(&base);
    assert_eq!(hand.get("/admin").await.0, StatusCode::SEE_OTHER);
    hand.sign_in().await;
    let (status, page) = hand.get("/admin/accounts/zhangsan%40corp.example").await;
    assert!(status == StatusCode::OK && page.contains("监视中"), "{status}: {page}");
    world.kill();
    world.run().await;
    assert_eq!(hand.get("/admin").await.0, StatusCode::OK, "sessions are in the store");
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replace(TOKEN, "another-token-than-that-of-before")).unwrap();
    world.signal("HUP");
    world.until("the session is over", async || hand.get("/admin").await.0 == StatusCode::SEE_OTHER).await;
    let (code, told) = said(&world, &["audit", "list", "--json"]);
    assert_eq!(code, 0, "{told}");
    let first = told.lines().rfind(|line| line.contains("console.sign_in")).unwrap();
    let record: Value = serde_json::from_str(first).unwrap();
    assert_eq!((&record["who"], &record["result"]), (&json!("token"), &json!("ok")));
    assert!(!told.contains(TOKEN) && !world.log().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_stops_the_start_in_words() {
    let (world, _) = world().await;
    let text = std::fs::read_to_string(&world.file).unwrap();
    std::fs::write(&world.file, text.replacen("[web]", "[web]\ncert = \"c.pem\"\nkey = \"k.pem\"", 1)).unwrap();
    for name in ["c.pem", "k.pem"] {
        std::fs::write(world.dir.path().join(name), "no PEM\n").unwrap();
    }
    let (code, told) = said(&world, &["run", "--lang", "zh-CN"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("[web] cert 和 key 无法使用") && told.contains("PEM"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_alert_is_told_and_sent_again_without_showing_what_is_in_it() {
    let (mut world, base) = world().await;
    world.run().await;
    world.control(json!({ "remove_member": "zhangsan" })).await;
    world.mail("zhangsan", "拒收的一封", "dead").await;
    let mut hand = Hand::new(&base);
    hand.sign_in().await;
    let mut page = String::new();
    world
        .until("the alert is dead", async || {
            page = hand.get("/admin/alerts").await.1;
            page.contains("81013")
        })
        .await;
    for word in ["发送失败", "可见范围", "zhangsan@corp.example INBOX", "重新发送所选"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    let id = page.split_once("href=\"/admin/alerts/").unwrap().1.split('"').next().unwrap().to_owned();
    let one = hand.get(&format!("/admin/alerts/{id}")).await.1;
    let told = [page.as_str(), &one, &hand.get("/admin/accounts/zhangsan%40corp.example").await.1].concat();
    assert!(!told.contains("拒收") && !told.contains("李四"), "neither subject nor sender: {told}");
    let csrf = one.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    world.control(json!({ "add_member": { "userid": "zhangsan", "name": "张三" } })).await;
    let request = hand.client.post(format!("{base}/admin/alerts/retry"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let (status, text) = hand.send(request.body(format!("csrf={csrf}&id={id}"))).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    world.sees("zhangsan", &["拒收的一封"]).await;
    // With personal data allowed in the log, pages show it too.
    let text = std::fs::read_to_string(&world.file).unwrap() + "[log]\npersonal = true\n";
    std::fs::write(&world.file, text).unwrap();
    world.signal("HUP");
    let path = "/admin/accounts/zhangsan%40corp.example";
    world.until("the subject is shown", async || hand.get(path).await.1.contains("拒收的一封")).await;
}
