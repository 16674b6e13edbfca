//! stub
use super::types::*;
use crate::base::uidset::UidSet;
pub fn reply(_o: &mut Vec<u8>, _t: Option<&Tag>, _r: &Reply) {}
pub fn number(_o: &mut Vec<u8>, _n: u64) {}
pub fn string(_o: &mut Vec<u8>, _n: &[u8]) {}
pub fn fetch_start(_o: &mut Vec<u8>, _s: u32, _u: u32, _x: bool) {}
pub fn vanished(_o: &mut Vec<u8>, _s: bool, _u: &UidSet) {}
pub fn literal_start(_o: &mut Vec<u8>, _n: u64) {}
pub fn date_time(_o: &mut Vec<u8>, _n: i64) {}
pub fn section(_o: &mut Vec<u8>, _n: &Section) {}
pub fn mailbox(_o: &mut Vec<u8>, _n: &str, _u: bool) {}
pub fn id(_o: &mut Vec<u8>, _n: &[(&str, &str)]) {}
pub fn enabled(_o: &mut Vec<u8>, _n: &[&str]) {}
pub fn continuation(_o: &mut Vec<u8>, _n: &[u8]) {}
