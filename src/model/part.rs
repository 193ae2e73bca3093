//! A part of a mail (MIME, RFC 2045) as it is described, before its names are decoded.

/// Names in lower case, and values without their quotes, as bytes.
pub type Parameters = Vec<(String, Vec<u8>)>;

/// One part that holds no other parts but a whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its section number (RFC 3501 6.4.5); empty where it is not on a server.
    pub section: String,
    /// The beginning of its content, encoded as its encoding says, if that was asked for.
    pub content: Option<Vec<u8>>,
    /// Its type and subtype in lower case: `image/png`.
    pub mime: String,
    /// The parameters of its Content-Type.
    pub parameters: Parameters,
    /// Its Content-Disposition in lower case.
    pub disposition: Option<String>,
    /// The parameters of that.
    pub disposition_parameters: Parameters,
    /// Whether it has a Content-ID, by which other parts can show it.
    pub has_id: bool,
    /// Its Content-Transfer-Encoding in lower case.
    pub encoding: String,
    /// Bytes, still encoded.
    pub octets: u64,
    /// The types of the parts that it stands in, the outermost first.
    pub within: Vec<String>,
}
