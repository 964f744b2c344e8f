//! One GET with nothing set, by the client that was compiled in.
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("no URL")?;
    println!("{}", get(&url)?);
    Ok(())
}

#[cfg(feature = "reqwest12")]
fn get(url: &str) -> Result<String, Box<dyn Error>> {
    Ok(reqwest12::blocking::get(url)?.error_for_status()?.text()?)
}

#[cfg(feature = "reqwest13")]
fn get(url: &str) -> Result<String, Box<dyn Error>> {
    Ok(reqwest13::blocking::get(url)?.error_for_status()?.text()?)
}

#[cfg(feature = "ureq")]
fn get(url: &str) -> Result<String, Box<dyn Error>> {
    Ok(ureq::get(url).call()?.body_mut().read_to_string()?)
}
