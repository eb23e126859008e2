//! The service on a free port, over a small database of its own, and what a client sees of it.

use catalog::{Db, serve};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Service {
    port: u16,
    // The database's, gone with it.
    _folder: TempDir,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::with_prefix("redis-cached-catalog-").expect("a temporary folder for the database");
        let db = Db::open(&folder.path().join("catalog.sqlite"), 300).await.expect("a new database is made");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        // Ends with the test's runtime.
        tokio::spawn(serve(listener, db, std::future::pending()));
        Self { port, _folder: folder }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "").await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Reply {
        self.ask(&format!("PUT {path} HTTP/1.1\r\nContent-Type: application/json\r\n"), body).await
    }

    async fn ask(&self, head: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("the service listens");
        let request =
            format!("{head}Host: catalog.test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.expect("the service reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("the service answers with text");
        Reply::parse(&reply)
    }

    /// The story of one product, the same on every store.
    pub(crate) async fn reads_are_cached_and_writes_are_seen(&self) {
        let first = self.get("/products/7").await;
        assert_eq!((first.status, first.body["id"].as_u64()), (200, Some(7)));
        assert!(first.cache_status().contains("fwd=miss"), "the first read: {}", first.cache_status());

        let second = self.get("/products/7").await;
        assert_eq!(second.body, first.body);
        assert!(second.cache_status().contains("hit"), "the second read: {}", second.cache_status());

        let category = first.body["category"].as_str().expect("a product has a category").replace(' ', "%20");
        let list = format!("/categories/{category}/top");
        let before = self.get(&list).await;
        assert_eq!((before.status, before.body.as_array().map(Vec::len)), (200, Some(10)));
        assert!(self.get(&list).await.cache_status().contains("hit"));

        let best = before.body[0]["id"].as_u64().expect("a ranked product has a number");
        assert_eq!(self.get(&format!("/products/{best}")).await.status, 200);
        let changed = self.put(&format!("/products/{best}/price"), r#"{"price_cents":1234}"#).await;
        assert_eq!((changed.status, changed.body["price_cents"].as_u64()), (200, Some(1234)));
        assert_eq!(changed.header("cache-status"), None, "a write makes no cached call");

        let after = self.get(&format!("/products/{best}")).await;
        assert_eq!(after.body["price_cents"], 1234);
        assert!(after.cache_status().contains("fwd=miss"), "after the write: {}", after.cache_status());
        assert_eq!(self.get(&list).await.body[0]["price_cents"], 1234, "its list shows the new price too");
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    headers: Vec<(String, String)>,
}

impl Reply {
    fn parse(reply: &str) -> Self {
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
        let (status, headers) = head.split_once("\r\n").expect("a status and headers");
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
        let headers = headers.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        // What axum itself refuses is plain text.
        let body = serde_json::from_str(body).unwrap_or_else(|_| body.into());
        Self { status, body, headers }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.header("cache-status").expect("a read has a Cache-Status")
    }
}
