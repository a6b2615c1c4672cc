//! A control plane from memory on a socket, for trying out requests:
//! `cargo run -p karmada-test-support --example plane -- 127.0.0.1:6443 /tmp/pki`. Writes `ca.crt`, `admin.crt` and
//! `admin.key` into the folder.

use karmada_test_support::TestServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6443".to_owned());
    let folder = std::path::PathBuf::from(arguments.next().unwrap_or_else(|| "pki".to_owned()));
    let plane = TestServer::control_plane().await?;
    let server = plane.server();
    let admin = server.admin();
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("ca.crt"), server.ca_pem())?;
    std::fs::write(folder.join("admin.crt"), &admin.certificate)?;
    std::fs::write(folder.join("admin.key"), &admin.key)?;
    server.listen(address.parse()?).await?;
    std::future::pending::<()>().await;
    Ok(())
}
