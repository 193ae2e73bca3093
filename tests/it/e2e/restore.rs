//! Exports through the binary, and a store that is restored from one: nothing lost, and no flood.

use super::world::{World, said};
use std::path::Path;

const LATER: usize = 8;

fn records(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_goes_out_and_in_through_commands() {
    let mut world = World::one().await;
    let file = world.dir.path().join("out.jsonl");
    let shown = file.to_str().unwrap().to_owned();
    let (code, text) = said(&world, &["state", "export", &shown]);
    assert_eq!(code, 1, "there is no store yet: {text}");
    world.run().await;
    world.mail("zhangsan", "第一封", "first").await;
    world.sees("zhangsan", &["第一封"]).await;
    let (code, text) = said(&world, &["state", "export", &shown]);
    assert_eq!(code, 0, "{text}");
    assert!(records(&file).iter().any(|line| line.contains("第一封")));
    let (code, text) = said(&world, &["state", "import", &shown, "--replace"]);
    assert_eq!(code, 1, "the service runs");
    assert!(text.contains("another mailbell is running"), "{text}");
    world.stop().await;
    let (code, printed) = said(&world, &["state", "export"]);
    assert_eq!(code, 0, "without a service, too: {printed}");
    assert!(printed.contains("state.exports"), "{printed}");
    for (lang, words) in [("en", "--replace moves it aside"), ("zh-CN", "--replace 把它移到一旁")] {
        let (code, text) = said(&world, &["state", "import", &shown, "--lang", lang]);
        assert_eq!(code, 1);
        assert!(text.contains(words), "{text}");
    }
    let (code, text) = said(&world, &["state", "import", &shown, "--replace"]);
    assert_eq!(code, 0, "{text}");
    let again = world.dir.path().join("again.jsonl");
    assert_eq!(said(&world, &["state", "export", again.to_str().unwrap()]).0, 0);
    let but_clock = |file: &Path| -> Vec<_> {
        records(file).into_iter().filter(|line| !line.contains(r#""kind":"clock""#)).collect()
    };
    assert_eq!(but_clock(&file), but_clock(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_directory_is_not_begun_anew_without_a_word() {
    let mut world = World::one().await;
    world.run().await;
    world.stop().await;
    let (code, text) = said(&world, &["state", "export"]);
    assert_eq!(code, 0, "{text}");
    assert!(!world.log().contains("begun anew"), "{}", world.log());
    std::fs::remove_dir_all(world.dir.path().join("state")).unwrap();
    world.run().await;
    assert!(world.log().contains("state.exports") && world.log().contains("state import"), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn restoring_an_export_tells_what_came_since_together() {
    let mut world = World::one().await;
    world.run().await;
    world.mail("zhangsan", "导出之前", "before").await;
    world.sees("zhangsan", &["导出之前"]).await;
    let (code, text) = said(&world, &["state", "export"]);
    assert_eq!(code, 0, "{text}");
    for number in 0..LATER {
        let subject = format!("导出之后{number}");
        world.mail("zhangsan", &subject, &subject).await;
        world.sees("zhangsan", &[&subject]).await;
    }
    world.kill();
    // As the watchdog leaves it.
    std::fs::write(world.dir.path().join("state/damaged-page"), "").unwrap();
    world.mail("zhangsan", "停机期间", "while").await;
    let before = world.chat("zhangsan").await.len();
    world.run().await;
    world.sees("zhangsan", &["停机期间"]).await;
    world.mail("zhangsan", "恢复之后", "after").await;
    world.sees("zhangsan", &["恢复之后"]).await;
    let fresh = world.chat("zhangsan").await.split_off(before);
    assert!(fresh.len() <= 3, "a flood: {fresh:#?}");
    let text = world.chat_text("zhangsan").await;
    for number in 0..LATER {
        assert!(text.contains(&format!("导出之后{number}")));
    }
    assert_eq!(text.matches("导出之前").count(), 1, "what the export knows is not told again:\n{text}");
    assert!(world.log().contains("it is restored from its last export"), "{}", world.log());
    let entries = std::fs::read_dir(world.dir.path()).unwrap().map(|e| e.unwrap().file_name());
    assert!(entries.into_iter().any(|name| name.to_string_lossy().starts_with("state.damaged-")), "it is kept");
}
