//! An S3 server on the loopback interface: `s3s-fs` with a layer that records requests and injects faults.

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
    ListObjectsV2Output, PutObjectInput, PutObjectOutput, UploadPartInput, UploadPartOutput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "AKIATEST";
pub(crate) const SECRET: &str = "it is a secret";
pub(crate) const BUCKET: &str = "bucket";

type Error = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Error>>;

/// A running server with one bucket. It ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    state: Arc<State>,
    root: TempDir,
}

struct State {
    s3: S3Service,
    log: Mutex<Vec<Logged>>,
    faults: Mutex<Vec<Rule>>,
    /// The number of the part that every upload is refused.
    refused_part: Mutex<Option<usize>>,
    /// Paths that are not objects, and whether they exist.
    pages: Mutex<Vec<(String, String)>>,
    /// Requests that came and were not answered yet.
    under_way: AtomicUsize,
}

/// A request that is under way, until it is answered or given up.
struct UnderWay(Arc<State>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A request and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) method: Method,
    /// The object's name, or the query of a listing.
    pub(crate) what: String,
    pub(crate) range: Option<Range<u64>>,
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) bytes: u64,
}

/// Injected faults.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// 503, with the code that asks clients to slow down.
    SlowDown,
    /// The connection is closed without an answer.
    Drop,
    /// The connection is closed after this many bytes of the body.
    Truncate(usize),
    /// The answer takes its time.
    Delay(Duration),
    /// The object says that it is another version.
    OtherTag,
    /// The answer says nothing of versions.
    NoTag,
}

/// Which responses fail: for this object, after some successful ones, this many times.
///
/// Requests that are made at once come in any order, so a rule for one of them has to say where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// The first byte that such a request may ask for.
    pub(crate) from: u64,
    pub(crate) after: usize,
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(Paged(FileSystem::new(root.path()).unwrap()));
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let state = Arc::new(State {
            s3: builder.build(),
            log: Mutex::default(),
            faults: Mutex::default(),
            refused_part: Mutex::default(),
            pages: Mutex::default(),
            under_way: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                let answer = service_fn(move |request| answer(Arc::clone(&state), request));
                // An error is a connection that was dropped, on purpose or by the client.
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Server { endpoint, state, root }
    }

    /// Puts an object. Not noted.
    pub(crate) async fn put(&self, name: &str, bytes: Vec<u8>) {
        self.client().put(&Path::from(name), PutPayload::from(bytes)).await.unwrap();
        self.state.log.lock().unwrap().retain(|logged| logged.method != Method::PUT);
    }

    /// Its signatures do not cover bodies, which takes long where nothing is optimised.
    fn client(&self) -> AmazonS3 {
        let builder =
            AmazonS3Builder::new().with_bucket_name(BUCKET).with_endpoint(&self.endpoint).with_allow_http(true);
        let builder = builder.with_region("us-east-1").with_unsigned_payload(true);
        builder.with_access_key_id(KEY).with_secret_access_key(SECRET).build().unwrap()
    }

    pub(crate) fn fail(&self, rules: Vec<Rule>) {
        *self.state.faults.lock().unwrap() = rules;
    }

    /// Refuses the part of this number, of every upload.
    #[allow(dead_code)] // for the tests of the command, which share this file
    pub(crate) fn refuse_part(&self, number: Option<usize>) {
        *self.state.refused_part.lock().unwrap() = number;
    }

    /// Puts a page for anybody, at a path outside of the bucket.
    pub(crate) fn page(&self, path: &str, text: &str) {
        self.state.pages.lock().unwrap().push((path.to_owned(), text.to_owned()));
    }

    /// Names of stored objects, and of uploaded parts.
    pub(crate) fn stored(&self) -> Vec<String> {
        let mut found = vec![];
        let mut directories = vec![self.root.path().to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => directories.push(path),
                    false => found.push(path.strip_prefix(self.root.path()).unwrap().to_str().unwrap().to_owned()),
                }
            }
        }
        // The server's own files are not objects: metadata, and bodies of requests that broke off.
        found.retain(|name| !name.ends_with(".json") && !name.starts_with(".tmp."));
        found.sort();
        found
    }

    /// Requests that clients wait for.
    pub(crate) fn under_way(&self) -> usize {
        self.state.under_way.load(Ordering::SeqCst)
    }

    /// The requests since this was last asked for.
    pub(crate) fn requests(&self) -> Vec<Logged> {
        std::mem::take(&mut *self.state.log.lock().unwrap())
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, Error> {
    state.under_way.fetch_add(1, Ordering::SeqCst);
    let _under_way = UnderWay(Arc::clone(&state));
    let path = request.uri().path().to_owned();
    let page = state.pages.lock().unwrap().iter().find(|page| page.0 == path).map(|page| page.1.clone());
    if let Some(text) = page {
        return Ok(Response::new(Full::from(text).map_err(Into::into).boxed_unsync()));
    }
    let name = path.trim_start_matches(&format!("/{BUCKET}")).trim_start_matches('/').to_owned();
    let mut logged = Logged {
        method: request.method().clone(),
        what: if name.is_empty() { request.uri().query().unwrap_or_default().to_owned() } else { name.clone() },
        range: request.headers().get("range").map(|range| asked(range.to_str().unwrap())),
        status: 0,
        bytes: 0,
    };
    let refused = state.refused_part.lock().unwrap().map(|number| format!("partNumber={number}&"));
    let is_refused = |query: &str| refused.is_some_and(|part| format!("{query}&").contains(&part));
    if request.method() == Method::PUT && request.uri().query().is_some_and(is_refused) {
        let body =
            "<?xml version=\"1.0\"?>\n<Error><Code>QuotaExceeded</Code><Message>The bucket is full</Message></Error>";
        let answer = Response::builder().status(StatusCode::FORBIDDEN);
        return Ok(answer.body(Full::from(body).map_err(Into::into).boxed_unsync())?);
    }
    let asked_tag = request.headers().get("if-match").cloned();
    let first_byte = logged.range.as_ref().map_or(0, |range| range.start);
    let fault = if request.method() == Method::PUT { None } else { state.fault(&name, first_byte) };
    let answer = match fault {
        Some(Fault::Drop) => Err("dropped on purpose".into()),
        Some(Fault::SlowDown) => {
            let body = "<Error><Code>SlowDown</Code></Error>";
            let answer = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
            Ok(answer.body(Full::from(body).map_err(Into::into).boxed_unsync())?)
        }
        fault => {
            if let Some(Fault::Delay(time)) = &fault {
                tokio::time::sleep(*time).await;
            }
            let answer = state.s3.call(request.map(Body::from)).await.map_err(|e| format!("{e:?}"))?;
            let (mut parts, body) = answer.into_parts();
            match fault {
                Some(Fault::OtherTag) => drop(parts.headers.insert("etag", "\"another\"".parse()?)),
                Some(Fault::NoTag) => drop(parts.headers.remove("etag")),
                _ => {}
            }
            // The server does not look at this itself.
            let tag = parts.headers.get("etag");
            if tag.is_some() && asked_tag.is_some() && tag != asked_tag.as_ref() {
                let answer = Response::builder().status(StatusCode::PRECONDITION_FAILED);
                Ok(answer.body(Full::from("").map_err(Into::into).boxed_unsync())?)
            } else if let Some(Fault::Truncate(len)) = fault {
                let bytes = BodyExt::collect(body).await?.to_bytes();
                let first = Ok(Frame::data(bytes.slice(..len.min(bytes.len()))));
                let cut = async {
                    // So that the bytes before the cut are sent.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Err("cut on purpose".into())
                };
                let frames = futures::stream::iter([first]).chain(futures::stream::once(cut));
                Ok(Response::from_parts(parts, StreamBody::new(frames).boxed_unsync()))
            } else {
                Ok(Response::from_parts(parts, body.map_err(Into::into).boxed_unsync()))
            }
        }
    };
    if let Ok(answer) = &answer {
        let len = answer.headers().get("content-length").and_then(|len| len.to_str().ok()?.parse().ok());
        logged.status = answer.status().as_u16();
        logged.bytes = if logged.method == Method::HEAD { 0 } else { len.unwrap_or(0) };
    }
    state.log.lock().unwrap().push(logged);
    answer
}

/// `bytes=2-5` → `2..6`
fn asked(header: &str) -> Range<u64> {
    let (start, last) = header.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    start.parse().unwrap()..last.parse::<u64>().unwrap() + 1
}

impl State {
    /// The fault of the next response for this object, from this byte on.
    fn fault(&self, name: &str, first_byte: u64) -> Option<Fault> {
        let mut rules = self.faults.lock().unwrap();
        for rule in rules.iter_mut().filter(|rule| name == rule.name && first_byte >= rule.from) {
            if rule.after > 0 {
                rule.after -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

/// Lists two objects at a time.
struct Paged(FileSystem);

#[async_trait::async_trait]
impl S3 for Paged {
    async fn list_objects_v2(
        &self,
        mut request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        request.input.max_keys = Some(2);
        self.0.list_objects_v2(request).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.0.get_object(request).await
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.0.head_object(request).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.0.put_object(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.0.create_multipart_upload(request).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.0.upload_part(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.0.complete_multipart_upload(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.0.abort_multipart_upload(request).await
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.0.delete_object(request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.0.delete_objects(request).await
    }
}
