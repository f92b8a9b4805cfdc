//! Scrapes as Prometheus does them: the whole page, on a connection that stays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What was seen.
pub struct Scrapes {
    /// Series, as lines.
    pub lines: usize,
    pub bytes: usize,
    pub p50: Duration,
    pub max: Duration,
}

pub fn scrapes(address: SocketAddr, count: usize) -> Scrapes {
    let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
    stream.get_ref().set_nodelay(true).unwrap();
    let mut page = String::new();
    // The first moves what the histograms have gathered, as the upkeep does every few seconds.
    scrape(&mut stream, address, &mut page);
    let mut times: Vec<Duration> = (0..count).map(|_| scrape(&mut stream, address, &mut page)).collect();
    times.sort();
    let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    Scrapes { lines, bytes: page.len(), p50: times[times.len() / 2], max: times[times.len() - 1] }
}

fn scrape(stream: &mut BufReader<TcpStream>, address: SocketAddr, page: &mut String) -> Duration {
    let start = Instant::now();
    write!(stream.get_mut(), "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).unwrap();
    let took = start.elapsed();
    *page = String::from_utf8(body).unwrap();
    took
}
