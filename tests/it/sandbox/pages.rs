//! The pages: what a sender wrote stays text, and new messages appear live.

use std::time::Duration;

use mailbell::sandbox::{Member, Options};
use serde_json::{Value, json};

use super::{Wecom, notice, start, text, textcard, with};

/// The chat of a member after one message.
async fn chat_after(wecom: &Wecom, body: &Value) -> String {
    assert_eq!(wecom.send(body).await["errcode"], 0, "{body}");
    let (status, page) = wecom.page("/chat/zhangsan").await;
    assert_eq!(status, 200);
    page.rsplit_once("<div class=\"message\"").unwrap().1.to_owned()
}

fn markdown(content: &str) -> Value {
    json!({"touser": "zhangsan", "agentid": 1_000_002, "msgtype": "markdown", "markdown": {"content": content}})
}

/// Each message appears as this HTML, and no markup of the sender's own ever does.
async fn assert_shown(cases: Vec<(Value, &str)>) {
    let wecom = start(Options::default()).await;
    for (body, expected) in cases {
        let chat = chat_after(&wecom, &body).await;
        assert!(chat.contains(expected), "{body}:\n{chat}");
        for evil in ["<script>x", "<img", "onclick=\"", "href=\"javascript"] {
            assert!(!chat.contains(evil), "{body}:\n{chat}");
        }
    }
}

#[tokio::test]
async fn text_keeps_lines_and_links_only() {
    let link = "class=\"link\" href=\"https://a.example/?x=1&amp;y=2\" target=\"_blank\" rel=\"noopener noreferrer\">打开 &lt;b&gt;</a>";
    assert_shown(vec![
        (text("zhangsan", "见 <a href=\"https://a.example/?x=1&y=2\">打开 <b></a> 。"), link),
        (text("zhangsan", "<a href=\"https://a.example\" onclick=\"x()\">x</a>"), "&lt;a href="),
        (
            text("zhangsan", "<a href=\"https://a.example/'&quot;><i>\">x</a>"),
            "href=\"https://a.example/&#39;&amp;quot;%3E%3Ci%3E\"",
        ),
        (text("zhangsan", "1 < 2 & <b>x</b>\n\"y\""), "1 &lt; 2 &amp; &lt;b&gt;x&lt;/b&gt;\n&quot;y&quot;"),
        (text("zhangsan", "<a href=\"javascript:alert(1)\">x</a>"), "&lt;a href=&quot;javascript:alert(1)&quot;&gt;x"),
        (text("zhangsan", "<a href=\"https://a.example\">x"), "&lt;a href=&quot;https://a.example&quot;&gt;x"),
        (text("zhangsan", "<ahref=\"https://a.example\">x</a> <"), "&lt;ahref=&quot;"),
        (text("zhangsan", "{{run}} <é"), "{{run}} &lt;é"),
    ])
    .await;
}

#[tokio::test]
async fn textcards_keep_breaks_and_three_kinds_of_div_only() {
    let description = |description: &str| textcard(json!({"description": description}));
    assert_shown(vec![
        (
            description("<div class=\"gray\">今天</div>a<br>b<div class=\"highlight\">c</div><div class=\"normal\">d"),
            "<div class=\"gray\">今天</div>a<br>b<div class=\"highlight\">c</div><div class=\"normal\">d</div></div>",
        ),
        (description("<div class=\"x\">a</div>"), "&lt;div class=&quot;x&quot;&gt;a&lt;/div&gt;"),
        (description("</div></div><script>x</script>"), ">&lt;/div&gt;&lt;/div&gt;&lt;script&gt;x&lt;/script&gt;<"),
        (
            description("<img src=x onerror=alert(1)><a href=\"https://a.example\">"),
            "&lt;img src=x onerror=alert(1)&gt;&lt;a",
        ),
        (textcard(json!({"title": "<i>\"'&"})), "<h3>&lt;i&gt;&quot;&#39;&amp;</h3>"),
        (textcard(json!({})), ">详情</a>"),
        (textcard(json!({"btntxt": "<b>"})), ">&lt;b&gt;</a>"),
        (textcard(json!({"url": "https://a.example/\"onclick=\"x"})), "href=\"https://a.example/%22onclick=%22x\""),
    ])
    .await;
}

#[tokio::test]
async fn markdown_keeps_the_documented_subset_only() {
    assert_shown(vec![
        (
            markdown("## 日报\n>共 **3** 封"),
            "<div class=\"h2\">日报</div><blockquote>共 <strong>3</strong> 封</blockquote>",
        ),
        (
            markdown("<font color=\"warning\">**a** <b></font>"),
            "<span class=\"warning\"><strong>a</strong> &lt;b&gt;</span>",
        ),
        (markdown("<font color=\"pink\">a</font>"), "&lt;font color=&quot;pink&quot;&gt;a"),
        (markdown("[x](javascript:alert(1)) `<i>`"), "[x](javascript:alert(1)) <code>&lt;i&gt;</code>"),
        (markdown("[<x>](https://a.example)"), ">&lt;x&gt;</a>"),
        (markdown("**** `` [ * 2 # no"), "<div>**** `` [ * 2 # no</div>"),
    ])
    .await;
}

#[tokio::test]
async fn template_cards_keep_no_markup() {
    assert_shown(vec![
        (notice(json!({"main_title": {"title": "<i>"}})), "<h3 class=\"\">&lt;i&gt;</h3>"),
        (notice(json!({"emphasis_content": {"title": "<b>"}})), "<p class=\"emphasis\">&lt;b&gt;</p>"),
        (
            notice(json!({"horizontal_content_list": [{"keyname": "<k>", "value": "<v>"}]})),
            "<dt>&lt;k&gt;</dt><dd>&lt;v&gt;</dd>",
        ),
    ])
    .await;
}

/// A red source, a large word, rows, and a link over the whole card; of markdown the list shows the words alone.
#[tokio::test]
async fn urgent_alerts_look_urgent() {
    let loud = notice(json!({
        "source": {"desc": "紧急邮件", "desc_color": 2},
        "emphasis_content": {"title": "紧急"},
        "sub_title_text": "外部发件人",
        "horizontal_content_list": [{"keyname": "时间", "value": "14:03"}],
    }));
    assert_shown(vec![(
        loud,
        "<div class=\"card template\"><p class=\"source red\">紧急邮件</p><h3 class=\"\">标题</h3>\
         <p class=\"emphasis\">紧急</p><p class=\"sub\">外部发件人</p><dl><dt>时间</dt><dd>14:03</dd></dl>\
         <a class=\"whole\" href=\"https://mail.corp.example/1\"",
    )])
    .await;
    let wecom = start(Options::default()).await;
    wecom.send(&markdown("<font color=\"warning\">紧急邮件</font>\n**<i>**")).await;
    assert!(wecom.page("/").await.1.contains("<span class=\"preview\">紧急邮件</span>"));
    wecom.send(&markdown("**<i>**\n>x")).await;
    assert!(wecom.page("/").await.1.contains("<span class=\"preview\">&lt;i&gt;</span>"));
}

#[tokio::test]
async fn the_desk_has_a_phone_for_each_member() {
    let mut options = Options::default();
    options.members.push(Member::new("Eve", "<b>\"Eve\""));
    options.app_name = "<铃>".to_owned();
    let wecom = start(options).await;
    wecom.send(&text("zhangsan", "## <你好>\n第二行")).await;
    let (status, desk) = wecom.page("/").await;
    assert_eq!(status, 200);
    for member in ["zhangsan", "lisi", "wangwu", "eve"] {
        assert!(desk.contains(&format!("class=\"chat\" data-member=\"{member}\"")), "{member}");
        assert!(desk.contains(&format!("href=\"/?member={member}\"")), "{member}");
    }
    assert!(desk.contains("&lt;铃&gt;") && !desk.contains("<铃>"));
    assert!(desk.contains("&lt;b&gt;&quot;Eve&quot;") && !desk.contains("<b>\"Eve"));
    assert!(desk.contains("<span class=\"preview\">&lt;你好&gt;</span>"));
    assert!(!desk.contains("{{") && !desk.contains("http://") && !desk.contains("https://"));

    let (_, one) = wecom.page("/?member=LISI").await;
    assert_eq!(one.matches("class=\"phone\"").count(), 1);
    assert_eq!(wecom.page("/chat/ZhangSan").await.0, 200);
    let (status, missing) = wecom.page("/chat/%3Cscript%3E").await;
    assert_eq!(status, 404);
    assert!(missing.contains("&lt;script&gt;") && !missing.contains("<script>"));

    let answer = wecom.client.get(&wecom.base).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    for (path, kind) in [("/sandbox/page.css", "text/css"), ("/sandbox/page.js", "text/javascript")] {
        let answer = wecom.client.get(format!("{}{path}", wecom.base)).send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with(kind), "{path}");
    }
}

/// One stream of events, read piece by piece.
pub(super) struct Live {
    answer: reqwest::Response,
    read: String,
}

impl Live {
    pub(super) async fn open(wecom: &Wecom, query: &str, last: &str) -> Self {
        let url = format!("{}/sandbox/stream?{query}", wecom.base);
        let request = wecom.client.get(url).header("last-event-id", last);
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "text/event-stream");
        Self { answer, read: String::new() }
    }

    /// The next event's id and data.
    pub(super) async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned();
                let told = (field("id:"), serde_json::from_str(&field("data:")).unwrap());
                self.read = rest.to_owned();
                return told;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.answer.chunk());
            let chunk = chunk.await.unwrap().unwrap().unwrap();
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn messages_appear_live_and_a_stream_resumes() {
    let wecom = start(Options::default()).await;
    wecom.send(&text("lisi", "早")).await;
    let mut live = Live::open(&wecom, "member=lisi&since=1", "").await;
    let run = live.next().await.1["run"].clone();
    wecom.send(&text("wangwu", "不是你")).await;
    wecom.send(&text("lisi", "<b>\n二")).await;
    let (id, told) = live.next().await;
    assert_eq!((&told["seq"], &told["member"], &told["preview"]), (&json!(3), &json!("lisi"), &json!("<b>")));
    assert!(told["html"].as_str().unwrap().contains("&lt;b&gt;"));
    drop(live);

    wecom.send(&text("lisi", "三")).await;
    let mut live = Live::open(&wecom, "since=0", &id).await;
    assert_eq!(live.next().await.1["run"], run);
    assert_eq!(live.next().await.1["seq"], 4, "goes on after the last");
    let mut live = Live::open(&wecom, "since=1", "another-9").await;
    live.next().await;
    assert_eq!(live.next().await.1["seq"], 2, "another run's id means nothing");
}

#[tokio::test]
async fn it_stops_with_a_stream_open_and_an_answer_due() {
    let wecom = start(Options::default()).await;
    let path = wecom.send_path().await;
    let mut live = Live::open(&wecom, "", "").await;
    live.next().await;
    wecom.order(json!({"delay_ms": 3_600_000})).await;
    let body = with(&text("lisi", "x"), json!({})).to_string();
    let url = format!("{}{path}", wecom.base);
    let due = tokio::spawn(wecom.client.post(url).body(body).send());
    live.next().await;
    wecom.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), wecom.served).await.unwrap().unwrap().unwrap();
    assert_eq!(due.await.unwrap().unwrap().status().as_u16(), 200);
}
