//! Small real files for the sample letters, made by hand: a drawing, a page, a table.

use std::io::Write as _;

/// A file to attach.
pub struct Attachment {
    pub name: String,
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

/// Makes the file of a name; its end says what it is.
pub fn make(name: &str, subject: &str) -> Attachment {
    let (kind, bytes) = match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "png" => ("image/png", png(name)),
        "pdf" => ("application/pdf", pdf(subject)),
        "csv" => ("text/csv; charset=utf-8", csv().into_bytes()),
        "ics" => ("text/calendar; charset=utf-8; method=REQUEST", ics(subject).into_bytes()),
        _ => ("text/plain; charset=utf-8", format!("{subject}\r\n\r\n(enclosed)\r\n").into_bytes()),
    };
    Attachment { name: name.to_owned(), kind, bytes }
}

/// A drawing of a facade in RGB, different for each name (PNG, ISO 15948).
fn png(name: &str) -> Vec<u8> {
    const WIDTH: u32 = 480;
    const HEIGHT: u32 = 320;
    let seed = name.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let (columns, rows) = (4 + seed % 4, 3 + seed / 7 % 3);
    let wall = [(226 - seed % 40) as u8, 214, (196 + seed % 30) as u8];
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT * 3 + HEIGHT) as usize);
    for y in 0..HEIGHT {
        pixels.push(0); // no filter
        for x in 0..WIDTH {
            let (cell_x, cell_y) =
                (x * columns % WIDTH, y.saturating_sub(60) * rows % (HEIGHT - 80));
            let window =
                cell_x > WIDTH / 4 && cell_x < WIDTH * 3 / 4 && cell_y > 50 && cell_y < 180;
            let bar = cell_x.abs_diff(WIDTH / 2) < columns + 1;
            let colour = match y {
                0..60 => [198, 221, (236 - y / 3) as u8],
                y if y > HEIGHT - 20 => [120, 132, 110],
                _ if window && !bar => [70, 92, 104],
                _ if window => [240, 236, 226],
                _ => wall,
            };
            pixels.extend_from_slice(&colour);
        }
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend_from_slice(&WIDTH.to_be_bytes());
    header.extend_from_slice(&HEIGHT.to_be_bytes());
    header.extend_from_slice(&[8, 2, 0, 0, 0]); // 8 bits, RGB
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    let data = packed.write_all(&pixels).and_then(|()| packed.finish()).unwrap_or_default();
    for (kind, content) in [(b"IHDR", header), (b"IDAT", data), (b"IEND", Vec::new())] {
        file.extend_from_slice(&(content.len() as u32).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(&content);
        file.extend_from_slice(kind);
        file.extend_from_slice(&content);
        file.extend_from_slice(&crc.sum().to_be_bytes());
    }
    file
}

/// One page with a title (PDF 1.4, ISO 32000 §7.5).
fn pdf(title: &str) -> Vec<u8> {
    // The standard fonts have no more than Latin 1, and brackets need a backslash.
    let plain = |c: char| if c.is_ascii_alphanumeric() || " .,:-".contains(c) { c } else { '.' };
    let title: String = title.chars().map(plain).collect();
    let page = format!(
        "BT /F1 18 Tf 72 760 Td ({title}) Tj ET\nBT /F1 11 Tf 72 730 Td (A sample document.) Tj ET"
    );
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", number + 1).as_bytes());
    }
    let start = file.len();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        table += &format!("{place:010} 00000 n \n");
    }
    table += &format!(
        "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    );
    file.extend_from_slice(table.as_bytes());
    file
}

fn csv() -> String {
    let mut text = String::from("axis;floor;width mm;deviation mm\r\n");
    for axis in 1..=6 {
        for floor in 0..3 {
            let deviation = (axis * 7 + floor * 3) % 8 - 4;
            text += &format!("{axis};{floor};{};{deviation}\r\n", 1_120 + deviation);
        }
    }
    text
}

/// An invitation for in two weeks (RFC 5545, RFC 5546).
fn ics(subject: &str) -> String {
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let day = now.date().saturating_add(jiff::Span::new().days(14));
    let day = format!("{:04}{:02}{:02}", day.year(), day.month(), day.day());
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Kontor//Sample office//EN\r\n\
         METHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:walk-{day}@lindenhof-bau.example\r\n\
         DTSTAMP:{day}T080000Z\r\nDTSTART:{day}T090000Z\r\nDTEND:{day}T100000Z\r\n\
         SUMMARY:{subject}\r\nLOCATION:Gerberstrasse 4\r\n\
         ORGANIZER;CN=Katrin Ahlers:mailto:k.ahlers@lindenhof-bau.example\r\n\
         ATTENDEE;RSVP=TRUE:mailto:ines@office.example\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_they_say() {
        let png = make("a.png", "x").bytes;
        assert!(png.starts_with(b"\x89PNG") && png.ends_with(b"IEND\xae\x42\x60\x82"));
        assert_ne!(png, make("b.png", "x").bytes);
        let pdf = String::from_utf8(make("a.pdf", "Größe (1)").bytes).unwrap();
        assert!(pdf.starts_with("%PDF-1.4") && pdf.contains("(Gr..e .1.) Tj"));
        let start: usize =
            pdf.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert!(pdf[start..].starts_with("xref"));
    }
}
