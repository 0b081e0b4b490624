//! Optional TLS under a connection.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Ipv4Addr,
    sync::Arc,
};

use anyhow::Result;
use mio::net::TcpStream;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::link::ReadState;

/// The most that a record adds to what was read with it: the part of it that had come before.
const RECORD: usize = 20 * 1024;

/// The configuration of all connections: TLS 1.3 with a full handshake each time,
/// as for a new client.
pub fn config() -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Takes every certificate: the server's is the bench's own, self-signed, and on
/// this machine. It also spares the load generator the time of checking one.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The TLS session of one connection.
pub struct Session(ClientConnection);

impl Session {
    pub fn new(config: Arc<ClientConfig>, server: Ipv4Addr) -> Result<Self> {
        let mut session =
            ClientConnection::new(config, ServerName::from(std::net::IpAddr::V4(server)))?;
        // Data sent before the end of the handshake waits in the session.
        session.set_buffer_limit(None);
        Ok(Self(session))
    }

    /// Encrypts `bytes`, to be written by `flush`.
    pub fn queue(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.writer().write_all(bytes)
    }

    /// Writes what the socket takes; the rest stays in the session.
    pub fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.0.wants_write() {
            match self.0.write_tls(stream) {
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Reads once and decrypts into `plain`, with `cipher` as the room for what
    /// comes from the socket. Returns how much of `plain` is filled.
    pub fn read(
        &mut self,
        stream: &mut TcpStream,
        plain: &mut [u8],
        cipher: &mut [u8],
    ) -> io::Result<(usize, ReadState)> {
        let room = cipher.len().min(plain.len().saturating_sub(RECORD));
        if room < 4096 {
            return Err(io::Error::new(ErrorKind::InvalidData, "message is too large"));
        }
        let (n, mut state) = match stream.read(&mut cipher[..room]) {
            Ok(0) => return Ok((0, ReadState::Eof)),
            Ok(n) if n == room => (n, ReadState::More),
            Ok(n) => (n, ReadState::Drained),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok((0, ReadState::Drained)),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok((0, ReadState::Eof)),
            Err(e) => return Err(e),
        };
        let mut records = &cipher[..n];
        let mut len = 0;
        while !records.is_empty() {
            self.0.read_tls(&mut records)?;
            let told = self.0.process_new_packets().map_err(io::Error::other)?;
            let end = len + told.plaintext_bytes_to_read();
            self.0.reader().read_exact(&mut plain[len..end])?;
            len = end;
            if told.peer_has_closed() {
                state = ReadState::Eof;
                break;
            }
        }
        self.flush(stream)?;
        Ok((len, state))
    }

    /// The negotiated version, cipher suite and key exchange.
    pub fn agreed(&self) -> Option<String> {
        Some(format!(
            "{:?} {:?} {:?}",
            self.0.protocol_version()?,
            self.0.negotiated_cipher_suite()?.suite(),
            self.0.negotiated_key_exchange_group()?.name(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{SocketAddrV4, TcpListener},
        thread::JoinHandle,
        time::{Duration, Instant},
    };

    use rustls::{ServerConfig, ServerConnection, Stream, pki_types::PrivateKeyDer};

    use super::*;
    use crate::net::{connect::connect, link::Link};

    /// A server that takes one connection, and answers what it reads first with
    /// `answer`, in records that are cut at odd places.
    fn server(question: usize, answer: Vec<u8>) -> (SocketAddrV4, JoinHandle<Vec<u8>>) {
        let own = rcgen::generate_simple_self_signed(vec!["bench".into()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut session = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = Stream::new(&mut session, &mut socket);
            let mut asked = vec![0; question];
            stream.read_exact(&mut asked).unwrap();
            for part in answer.chunks(7_001) {
                stream.write_all(part).unwrap();
                stream.flush().unwrap();
            }
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            asked
        });
        (SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), thread)
    }

    #[test]
    fn early_data_and_a_long_response_arrive_over_tls() {
        let question = b"GET / HTTP/1.1\r\n\r\n";
        let answer: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
        let (address, thread) = server(question.len(), answer.clone());
        let stream = connect(Ipv4Addr::LOCALHOST, address, None).unwrap();
        let session = Session::new(config().unwrap(), *address.ip()).unwrap();
        let mut link = Link::new(stream, Some(session));
        link.queue(question).unwrap();

        let mut buf = vec![0; 256 * 1024];
        let mut got = Vec::new();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            assert!(Instant::now() < end, "{} bytes came", got.len());
            link.flush().unwrap();
            let (len, state) = link.read(&mut buf).unwrap();
            // A tail that is not used yet comes back in front of the next bytes.
            let tail = len.min(100);
            got.extend_from_slice(&buf[..len - tail]);
            link.partial.extend_from_slice(&buf[len - tail..len]);
            if state == ReadState::Eof {
                got.append(&mut link.partial);
                break;
            }
        }
        assert!(got == answer, "{} bytes came, {} were sent", got.len(), answer.len());
        assert_eq!(thread.join().unwrap(), question);
        let agreed = link.agreed().unwrap();
        assert!(agreed.starts_with("TLSv1_3 TLS13_AES"), "{agreed}");
    }

    #[test]
    fn oversized_message_is_refused() {
        let mut plain = [0; RECORD + 4095];
        let mut cipher = [0; 8192];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let mut stream = connect(Ipv4Addr::LOCALHOST, address, None).unwrap();
        let mut session = Session::new(config().unwrap(), *address.ip()).unwrap();
        let error = session.read(&mut stream, &mut plain, &mut cipher).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}
