//! What is sent to S3, and what its answers mean.

use super::*;
use crate::cloud::aws::fake::{Fake, Reply, Seen};

fn answering(status: u16, body: &'static str) -> Fake {
    Fake::new(move |_| Reply::Body(status, "application/xml", body.as_bytes().to_vec()))
}

fn refusing(status: u16, code: &str) -> Fake {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a &lt; b</Message></Error>");
    Fake::new(move |_| Reply::Body(status, "application/xml", body.clone().into_bytes()))
}

fn only(fake: &Fake) -> Seen {
    let [seen] = &fake.seen()[..] else { panic!("{} were sent", fake.seen().len()) };
    seen.clone()
}

#[tokio::test(start_paused = true)]
async fn a_write_is_conditional_and_carries_its_checksums() {
    let conditions = [(None, "if-none-match", "*"), (Some("\"7\""), "if-match", "\"7\"")];
    for (over, header, value) in conditions {
        let fake = answering(200, "");
        fake.aws().objects("store").put("a/b c.json", b"123456789", over).await.unwrap();
        let seen = only(&fake);
        assert_eq!(seen.uri, "https://store.s3.eu-west-1.amazonaws.com/a/b%20c.json");
        assert_eq!(seen.header(header).as_deref(), Some(value));
        assert_eq!(seen.header("x-amz-checksum-crc32").as_deref(), Some("y/Q5Jg=="));
        let hash = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
        assert_eq!(seen.header("x-amz-content-sha256").as_deref(), Some(hash));
        assert!(seen.header("authorization").unwrap().contains("/eu-west-1/s3/aws4_request"));
        assert_eq!(seen.body, b"123456789");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_read_with_its_folders_and_its_next_page() {
    let fake = answering(
        200,
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Prefix>no</Prefix>\
         <Contents><Key>a&amp;b</Key><Size>1</Size></Contents><Contents><Key>c</Key></Contents>\
         <CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes><NextContinuationToken>t=</NextContinuationToken>\
         </ListBucketResult>",
    );
    let asked = ListRequest { prefix: "v1/", after: Some("v1/a"), flat: true, page: Some("p+") };
    let listing = fake.aws().objects("dotted.store").list(asked).await.unwrap();
    let keys = vec!["a&b".to_owned(), "c".to_owned()];
    assert_eq!(listing, Listing { keys, folders: vec!["d/".to_owned()], next: Some("t=".to_owned()) });
    let url = "https://s3.eu-west-1.amazonaws.com/dotted.store?list-type=2&prefix=v1%2F&continuation-token=p%2B\
               &delimiter=%2F&start-after=v1%2Fa";
    assert_eq!(only(&fake).uri, url);
    let short = answering(200, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>");
    let failed = short.aws().objects("store").list(ListRequest { page: None, ..asked }).await.unwrap_err();
    assert!(failed.fault.message.contains("cut short"), "{}", failed.fault);
    let cut = answering(200, "<ListBucketResult><Contents>");
    let failed = cut.aws().objects("store").list(ListRequest { page: None, ..asked }).await.unwrap_err();
    assert_eq!(failed.fault.kind, FaultKind::Transient);
}

#[tokio::test(start_paused = true)]
async fn a_failure_tells_code_and_kind_and_is_not_tried_again() {
    use FaultKind::{Denied, Expired, Missing, Permanent, Transient};
    let rows = [
        (404, "NoSuchKey", Missing),
        (412, "PreconditionFailed", Permanent),
        (409, "ConditionalRequestConflict", Transient),
        (409, "OperationAborted", Transient),
        (400, "RequestTimeout", Transient),
        (429, "SlowDown", Transient),
        (404, "NoSuchBucket", Missing),
        (503, "SlowDown", Transient),
        (500, "InternalError", Transient),
        (403, "AccessDenied", Denied),
        (400, "ExpiredToken", Expired),
    ];
    for (status, code, kind) in rows {
        let fake = refusing(status, code);
        let failed = fake.aws().objects("store").get("k").await.unwrap_err();
        assert_eq!((failed.code.as_deref(), failed.fault.kind), (Some(code), kind));
        assert_eq!(failed.fault.message, format!("{code}: a < b"));
        only(&fake);
    }
    let lost = Fake::new(|_| Reply::Lost);
    let failed = lost.aws().objects("store").get("k").await.unwrap_err();
    assert_eq!((failed.code, failed.fault.kind), (None, Transient));
    let silent = Fake::new(|_| Reply::Never);
    assert_eq!(silent.aws().objects("store").delete("k").await.unwrap_err().fault.kind, Transient);
    only(&silent);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_encoded_though_nobody_asked_is_a_fault_in_words() {
    for status in [200, 403, 503] {
        let packed = Fake::new(move |_| Reply::Encoded(status, "gzip", vec![0x1f, 0x8b, 8, 0]));
        let failed = packed.aws().objects("store").get("k").await.unwrap_err();
        assert!(failed.fault.message.contains("encoded as gzip"), "{status}: {}", failed.fault);
    }
}

#[test]
fn a_bucket_is_a_part_of_the_host_where_it_can_be() {
    for (name, wanted) in [("a-b-3", true), ("a.b", false), ("Old", false), ("-ab", false), ("ab", false)] {
        assert_eq!(is_host(name), wanted, "{name}");
    }
    let below = |url| super::below(url, "bkt");
    assert_eq!(below("https://s3.example.com:9000/").as_deref(), Some("https://bkt.s3.example.com:9000"));
    assert_eq!((below("http://127.0.0.1:9000"), below("no url")), (None, None));
}
