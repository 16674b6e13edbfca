//! stub
pub struct Record;
impl Record {
    pub fn build(_p: &[u8], r: &[u8]) -> Vec<u8> {
        let s = String::from_utf8_lossy(r);
        let mid = s
            .lines()
            .find_map(|l| l.strip_prefix("Message-ID: <"))
            .map(|x| x.trim_end_matches('>').to_owned())
            .unwrap_or_default();
        let refs = s
            .lines()
            .find_map(|l| l.strip_prefix("In-Reply-To: <"))
            .map(|x| x.trim_end_matches('>').to_owned())
            .unwrap_or_default();
        format!("{mid}\n{refs}").into_bytes()
    }
}
pub struct RecordView<'a>(&'a [u8]);
impl<'a> RecordView<'a> {
    pub fn parse(b: &'a [u8]) -> Result<Self, ()> {
        Ok(Self(b))
    }
    pub fn message_id(&self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()?.split('\n').next().filter(|s| !s.is_empty())
    }
    pub fn references(&self) -> impl Iterator<Item = &'a str> {
        std::str::from_utf8(self.0)
            .unwrap()
            .split('\n')
            .nth(1)
            .filter(|s| !s.is_empty())
            .into_iter()
    }
    pub fn base_subject(&self) -> &'a str {
        ""
    }
    pub fn sent_date(&self) -> Option<i64> {
        None
    }
}
