//! A bare relay, hyper to hyper, that understands nothing: the limit of any gateway.

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Pool = Client<HttpConnector, Incoming>;

/// Serves until it is killed; prints its port first.
#[allow(clippy::print_stdout)]
pub(crate) async fn serve(upstream: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let pool: Pool = Client::builder(TokioExecutor::new()).build(connector);
    let to: Uri = format!("http://127.0.0.1:{upstream}/v1/chat/completions").parse()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (pool, to) = (pool.clone(), to.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| relay(&pool, &to, request));
            // A caller who goes away is no concern of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Bodies pass as they come, in both directions.
async fn relay(pool: &Pool, to: &Uri, request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
    let request = Request::post(to.clone()).body(request.into_body())?;
    Ok(pool.request(request).await?)
}
