//! The registry through the console: bound, tested, disabled, unbound, imported, exported; and all of it in the audit.

use super::bench::{Answer, Bench, Browser, TOKEN};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Instant;

const PASSWORD: &str = "hunter2 of the member";

/// Binds an account by the form.
async fn bind(browser: &mut Browser<'_>, email: &str, user: &str) -> Answer {
    let csrf = browser.csrf().await;
    let fields =
        [("csrf", csrf.as_str()), ("email", email), ("user", user), ("provider", "exmail"), ("password", PASSWORD)];
    browser.post("/admin/add", &fields).await
}

async fn act(browser: &mut Browser<'_>, path: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = browser.csrf().await;
    let all: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
    browser.post(path, &all).await
}

/// Uploads a sheet as browsers do.
async fn upload(browser: &mut Browser<'_>, bytes: &[u8]) -> Answer {
    let csrf = browser.csrf().await;
    let mut body = Vec::new();
    body.extend(format!("--xyz\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n").bytes());
    body.extend(b"--xyz\r\ncontent-disposition: form-data; name=\"sheet\"; filename=\"people.csv\"\r\n");
    body.extend(b"content-type: text/csv\r\n\r\n");
    body.extend(bytes);
    body.extend(b"\r\n--xyz--\r\n");
    browser.send_bytes("/admin/import", body, "multipart/form-data; boundary=xyz").await
}

fn api(bench: &Bench) -> Browser<'_> {
    let mut browser = bench.browser();
    browser.header("authorization", &format!("Bearer {TOKEN}"));
    browser
}

async fn json_at(browser: &mut Browser<'_>, path: &str) -> Value {
    let answer = browser.get(path).await;
    serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text))
}

#[tokio::test]
async fn an_account_is_bound_changed_and_unbound_and_the_audit_tells_all_of_it() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("wangwu").await;
    let answer = bind(&mut browser, "lisi@corp.example", "lisi").await;
    assert_eq!(answer.location(), "/admin/accounts/lisi%40corp.example?done=added", "{}", answer.text);
    let text = browser.get("/admin/accounts").await.text;
    assert!(text.contains("lisi@corp.example") && text.contains("zhangsan@corp.example"), "{text}");
    let page = "/admin/accounts/lisi%40corp.example";
    let text = browser.get(&format!("{page}?done=added")).await.text;
    for word in ["已添加", "exmail", "已保存", "测试登录", "强制解绑"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let tested = act(&mut browser, &format!("{page}/test"), &[]).await;
    assert_eq!(tested.status, StatusCode::OK);
    assert!(tested.text.contains("登录失败") && tested.text.contains("weixin token"), "{}", tested.text);
    assert!(tested.text.contains("href=\"/admin/accounts/lisi%40corp.example?lang=en\""), "{}", tested.text);
    for (deed, word) in [("disable", "已停用"), ("enable", "已启用"), ("sync", "已请求"), ("password", "密码已更换")]
    {
        let answer = act(&mut browser, &format!("{page}/{deed}"), &[("password", "hunter3"), ("why", "leave")]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{deed}: {}", answer.text);
        let text = browser.get(answer.location()).await.text;
        assert!(text.contains(word), "{deed}: {text}");
    }
    // Unbinding wants the address typed.
    assert!(browser.get(&format!("{page}/unbind")).await.text.contains("输入邮箱地址以确认"));
    let answer = act(&mut browser, &format!("{page}/unbind"), &[("address", "lisi")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("没有解绑") && browser.get(page).await.status == StatusCode::OK);
    let answer =
        act(&mut browser, &format!("{page}/unbind"), &[("address", " LISI@corp.example "), ("why", "left")]).await;
    assert_eq!(answer.location(), "/admin/accounts?done=unbound");
    assert!(browser.get(answer.location()).await.text.contains("已解绑"));
    let whats: Vec<_> =
        bench.audit().into_iter().filter(|(who, ..)| who == "wangwu").map(|(_, what, whom, _)| (what, whom)).collect();
    let lisi = "lisi@corp.example".to_owned();
    let wanted = ["account.add", "account.test", "account.disable", "account.enable", "account.sync"];
    let wanted = [&wanted[..], &["account.set_password", "account.remove"]].concat();
    let wanted: Vec<_> = wanted.into_iter().map(|what| (what.to_owned(), lisi.clone())).collect();
    assert_eq!(whats, [&[("console.sign_in".to_owned(), "wangwu".to_owned())], &wanted[..]].concat());
    let file = std::fs::read_dir(bench.office.audit().folder())
        .unwrap()
        .map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap());
    let all: String = file.collect();
    assert!(!all.contains("hunter") && all.contains(&browser.from), "from where, and no secret: {all}");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_typed_stays() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("wangwu").await;
    for (fields, word) in [
        (vec![("email", "lisi@corp.example"), ("user", "lisi"), ("provider", "nowhere")], "nowhere"),
        (vec![("email", "lisi"), ("user", "lisi"), ("provider", "exmail")], "email"),
        (vec![("email", "lisi@corp.example"), ("provider", "exmail"), ("port", "many")], "端口"),
        (vec![("email", "lisi@corp.example"), ("user", "李四"), ("provider", "exmail")], "userid"),
    ] {
        let fields = [&fields[..], &[("password", PASSWORD), ("note", "\"><b>财务</b>")]].concat();
        let answer = act(&mut browser, "/admin/add", &fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{fields:?}");
        assert!(answer.text.contains(word) && answer.text.contains("财务"), "{word}: {}", answer.text);
        assert!(!answer.text.contains("<b>") && !answer.text.contains("hunter"), "{}", answer.text);
    }
    bind(&mut browser, "lisi@corp.example", "lisi").await;
    let answer = bind(&mut browser, "lisi@corp.example", "lisi").await;
    assert!(answer.status == StatusCode::BAD_REQUEST && answer.text.contains("已经登记过"), "{}", answer.text);
    // What stands in the file is changed there.
    let page = "/admin/accounts/zhangsan%40corp.example";
    let text = browser.get(page).await.text;
    assert!(text.contains("写在配置文件中") && !text.contains("/unbind") && text.contains("/sync"), "{text}");
    for deed in ["disable", "password", "unbind", "test"] {
        let fields = [("address", "zhangsan@corp.example"), ("password", "x")];
        let answer = act(&mut browser, &format!("{page}/{deed}"), &fields).await;
        assert!(answer.status.is_client_error(), "{deed}: {}", answer.status);
    }
    let answer = act(&mut browser, "/admin/accounts/nobody%40corp.example/disable", &[]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn signing_in_and_out_and_being_refused_stand_in_the_audit() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("lisi").await;
    let csrf = browser.csrf().await;
    browser.post("/admin/sign-out", &[("csrf", &csrf)]).await;
    bench.browser().sign_in("zhangsan").await;
    bench.browser().sign_in_by_token("hunter2").await;
    bench.browser().sign_in_by_token(TOKEN).await;
    let mut wrong = bench.browser();
    wrong.header("authorization", "Bearer hunter2");
    wrong.get("/admin/api/status").await;
    let told: Vec<_> =
        bench.audit().into_iter().map(|(who, what, whom, why)| (who, what, whom, why.is_some())).collect();
    let line = |who: &str, what: &str, whom: &str, refused| (who.to_owned(), what.to_owned(), whom.to_owned(), refused);
    let wanted = [
        line("lisi (reader)", "console.sign_in", "lisi", false),
        line("lisi (reader)", "console.sign_out", "", false),
        line("stranger", "console.sign_in", "zhangsan", true),
        line("stranger", "console.sign_in", "", true),
        line("token", "console.sign_in", "", false),
        line("stranger", "console.sign_in", "", true),
    ];
    assert_eq!(told, wanted);
}

/// A sheet of so many accounts.
fn sheet(count: usize) -> String {
    let line = |n| format!("member{n},member{n}@corp.example,exmail,第 {n} 组\r\n");
    format!("userid,email,provider,note\r\n{}", (0..count).map(line).collect::<String>())
}

#[tokio::test]
async fn ten_thousand_accounts_are_paged_searched_and_exported() {
    let bench = Bench::new().await;
    // No passwords: the provider would want them, so each is given one.
    let with_passwords =
        sheet(10_000).replace(",exmail,", ",exmail,hunter2,").replace("provider,note", "provider,password,note");
    let mut api = api(&bench);
    let answer = api.send(Method::POST, "/admin/api/import", with_passwords, "text/csv").await;
    let told: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(told["added"].as_array().unwrap().len(), 10_000, "{}", &answer.text[..answer.text.len().min(2000)]);
    assert_eq!(told["applied"], true);
    let mut browser = bench.signed_in("lisi").await;
    let (mut path, mut seen, mut pages) = ("/admin/accounts".to_owned(), std::collections::BTreeSet::new(), 0);
    let began = Instant::now();
    loop {
        let text = browser.get(&path).await.text;
        pages += 1;
        for row in text.split("<td class=\"key\"><a href=\"").skip(1) {
            assert!(seen.insert(row.split('"').next().unwrap().to_owned()), "shown twice: {row}");
        }
        let Some(next) =
            text.split("<a href=\"").skip(1).find(|link| link.contains("after=") && link.contains("下一页"))
        else {
            break;
        };
        path = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!((seen.len(), pages), (10_001, 201), "with the one of the file");
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    let rows = |text: &str| text.matches("<td class=\"key\">").count();
    assert_eq!(rows(&browser.get("/admin/accounts?q=Member77@").await.text), 1);
    assert_eq!(rows(&browser.get("/admin/accounts?q=第+77+组").await.text), 1);
    assert_eq!(rows(&browser.get("/admin/accounts?q=member9999&provider=exmail").await.text), 1);
    assert_eq!(rows(&browser.get("/admin/accounts?q=member9999&provider=qq").await.text), 0);
    assert_eq!(rows(&browser.get("/admin/accounts?state=connecting&q=member12").await.text), 50);
    assert_eq!(rows(&browser.get("/admin/accounts?state=blind").await.text), 0);
    let found = json_at(&mut api, "/admin/api/accounts?q=member42&most=3").await;
    assert_eq!(found["accounts"].as_array().unwrap().len(), 3);
    assert_eq!(found["next"], found["accounts"][2]["account"]);
    let mut admin = bench.signed_in("wangwu").await;
    let answer = admin.get("/admin/export.csv?lang=en").await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"mailbell-accounts.csv\"");
    assert_eq!(answer.text.lines().count(), 10_001);
    assert!(!answer.text.contains("hunter2"));
    // What was exported comes back as it is.
    let answer = api.send(Method::POST, "/admin/api/import?dry_run=true", answer.text, "text/csv").await;
    let told: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!((&told["unchanged"], &told["applied"]), (&json!(10_000), &json!(false)));
    assert_eq!((&told["wrong"], &told["not_named"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn a_sheet_is_looked_through_before_it_is_taken() {
    let bench = Bench::new().await;
    let mut browser = bench.signed_in("wangwu").await;
    bind(&mut browser, "old@corp.example", "old").await;
    let text = "成员账号,邮箱,服务商,密码,备注\r\nlisi,lisi@corp.example,exmail,hunter2,李四\r\nold,old@corp.example,exmail,,改了\r\n王五,x@corp.example,exmail,hunter2,\r\n";
    let (gbk, _, _) = encoding_rs::GBK.encode(text);
    let seen = upload(&mut browser, &gbk).await;
    assert_eq!(seen.status, StatusCode::OK);
    for word in ["people.csv", "GB18030", "新增 1", "修改 1", "有误 1", "第 4 行", "lisi@corp.example", "note"]
    {
        assert!(seen.text.contains(word), "{word}: {}", seen.text);
    }
    assert!(!seen.text.contains("hunter2"));
    let nothing = browser.get("/admin/accounts/lisi%40corp.example").await.status;
    assert_eq!(nothing, StatusCode::NOT_FOUND, "nothing is done yet");
    let id = seen.text.split_once("name=\"id\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let mut other = bench.signed_in("wangwu").await;
    let answer = act(&mut other, "/admin/import/apply", &[("id", &id), ("partial", "yes")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "another session's");
    let answer = act(&mut browser, "/admin/import/apply", &[("id", &id), ("partial", "yes")]).await;
    assert!(answer.text.contains("新增 1，修改 1"), "{}", answer.text);
    assert_eq!(browser.get("/admin/accounts/lisi%40corp.example").await.status, StatusCode::OK);
    let answer = act(&mut browser, "/admin/import/apply", &[("id", &id), ("partial", "yes")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "once");
    assert!(bench.audit().iter().any(|(_, what, whom, _)| what == "account.import" && whom == "people.csv"));
    // With mistakes and no word to skip them nothing is done.
    let seen = upload(&mut browser, text.as_bytes()).await;
    let id = seen.text.split_once("name=\"id\" value=\"").map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
    assert_eq!(id, None, "there is nothing left to import: {}", seen.text);
    let more = text.replace("李四", "李四，财务");
    let seen = upload(&mut browser, more.as_bytes()).await;
    let id = seen.text.split_once("name=\"id\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let answer = act(&mut browser, "/admin/import/apply", &[("id", &id)]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    for bytes in [&b""[..], b"PK\x03\x04 an xlsx", b"\x00\x01\x02"] {
        let answer = upload(&mut browser, bytes).await;
        assert!(answer.status == StatusCode::OK || answer.status == StatusCode::BAD_REQUEST, "{}", answer.status);
    }
    let answer = browser.get("/admin/import/template.csv").await;
    assert!(answer.text.contains("成员账号"), "{}", answer.text);
}

#[tokio::test]
async fn the_registry_for_programs() {
    let bench = Bench::new().await;
    let mut api = api(&bench);
    let post = async |api: &mut Browser<'_>, path: &str, body: Value| {
        let answer = api.send(Method::POST, path, body.to_string(), "application/json").await;
        (answer.status.as_u16(), serde_json::from_str::<Value>(&answer.text).unwrap())
    };
    let entry = json!({ "email": "lisi@corp.example", "user": "lisi", "provider": "exmail", "password": PASSWORD });
    assert_eq!(
        post(&mut api, "/admin/api/accounts", entry.clone()).await,
        (200, json!({ "added": "lisi@corp.example" }))
    );
    let (status, told) = post(&mut api, "/admin/api/accounts", entry).await;
    assert!(status == 400 && told["error"].is_string(), "{told}");
    let (status, told) = post(&mut api, "/admin/api/accounts", json!({ "email": 7, "password": PASSWORD })).await;
    assert!(status == 400 && !told.to_string().contains("hunter2"), "{told}");
    let at = |deed: &str| format!("/admin/api/accounts/lisi%40corp.example/{deed}");
    assert_eq!(post(&mut api, &at("disable"), json!({ "why": "leave" })).await.0, 200);
    let told = json_at(&mut api, "/admin/api/accounts/lisi%40corp.example").await;
    assert_eq!(told["registered"]["standing"]["disabled"]["why"], "leave");
    assert!(!told.to_string().contains("hunter2"), "{told}");
    assert_eq!(post(&mut api, &at("enable"), json!({})).await.0, 200);
    assert_eq!(post(&mut api, &at("password"), json!({ "password": "hunter3" })).await.0, 200);
    assert_eq!(post(&mut api, &at("password"), json!({})).await.0, 400);
    let (status, told) = post(&mut api, &at("test"), json!({})).await;
    assert!(status == 200 && told["error"].as_str().unwrap().contains("weixin token"), "{told}");
    assert_eq!(
        post(&mut api, &at("unbind"), json!({ "why": "left" })).await,
        (200, json!({ "unbound": ["lisi@corp.example"] }))
    );
    assert_eq!(post(&mut api, &at("unbind"), json!({})).await.0, 404);
    let told = json_at(&mut api, "/admin/api/audit?what=account.remove").await;
    let record = &told["records"][0];
    assert_eq!((&record["whom"], &record["detail"]["why"]), (&json!("lisi@corp.example"), &json!("left")));
    assert_eq!(json_at(&mut api, "/admin/api/audit/verify").await["whole"], true);
}

#[tokio::test]
async fn the_audit_is_read_checked_and_written_out() {
    let bench = Bench::new().await;
    let mut admin = bench.signed_in("wangwu").await;
    for n in 0..120 {
        bind(&mut admin, &format!("m{n}@corp.example"), &format!("m{n}")).await;
    }
    let mut browser = bench.signed_in("zhaoliu").await;
    let rows = |text: &str| text.matches("<td class=\"deed\">").count();
    let text = browser.get("/admin/audit").await.text;
    assert_eq!(rows(&text), 100);
    let next = text.split("<a href=\"").find(|link| link.contains("before=")).unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    assert_eq!(rows(&browser.get(&next).await.text), 22);
    assert_eq!(rows(&browser.get("/admin/audit?q=m77%40").await.text), 1);
    assert_eq!(rows(&browser.get("/admin/audit?what=console.sign_in").await.text), 2);
    assert_eq!(rows(&browser.get("/admin/audit?to=2026-02-02").await.text), 0);
    assert_eq!(rows(&browser.get("/admin/audit?from=2026-02-02&to=2026-02-03&q=m7%40").await.text), 1);
    assert_eq!(browser.get("/admin/audit?from=yesterday").await.status, StatusCode::BAD_REQUEST);
    assert!(browser.get("/admin/audit/verify").await.text.contains("审计记录完整：122 条"));
    let lines = browser.get("/admin/audit/export?form=json&what=account.add").await;
    assert_eq!(lines.text.lines().count(), 120);
    let first: Value = serde_json::from_str(lines.text.lines().next().unwrap()).unwrap();
    assert_eq!(first["whom"], "m0@corp.example", "the oldest first");
    let sheet = browser.get("/admin/audit/export?form=csv&q=m7%40").await;
    assert_eq!(sheet.text.lines().count(), 2, "{}", sheet.text);
    assert!(bench.audit().iter().any(|(who, what, ..)| what == "audit.export" && who.starts_with("zhaoliu")));
    // One letter is changed.
    let folder = bench.office.audit().folder().to_owned();
    let file = std::fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .find(|f| f.extension().is_some_and(|e| e == "jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap().replacen("m7@corp", "m8@corp", 1);
    std::fs::write(&file, text).unwrap();
    let text = browser.get("/admin/audit/verify").await.text;
    assert!(text.contains("审计记录不完整") && text.contains("note bad"), "{text}");
}
