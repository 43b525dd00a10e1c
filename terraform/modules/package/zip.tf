# functions/ as a zip archive, made by Terraform alone: no Python, no zip program, no further provider, on any system.
#
# gzip and zip store the same thing, a DEFLATE stream with the CRC-32 and the length of what it holds, in different
# wrappings. So each file goes through base64gzip(), loses gzip's wrapping (RFC 1952: 10 bytes before, CRC-32 and length
# in 4 bytes each after) and gets that of zip (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16). Bytes are kept in strings
# as ISO-8859-1, where each byte is one character.

locals {
  source_dir = "${path.module}/../../../functions"
  names      = sort(fileset(local.source_dir, "**/*.{b64,c,json,py}"))

  # A clone on Windows may have other line ends: they make no other package.
  contents = [for name in local.names : replace(file("${local.source_dir}/${name}"), "\r\n", "\n")]

  gzips = [for content in local.contents : base64gzip(content)]
  streams = [
    for gzip in local.gzips :
    regex("(?s)^.{10}(?P<deflate>.*)(?P<crc>.{4})(?P<length>.{4})$", textdecodebase64(gzip, "ISO-8859-1"))
  ]

  # Sizes in bytes. They come from base64, as length() takes the bytes CR LF for one character.
  stream_sizes   = [for gzip in local.gzips : floor(length(trim(gzip, "=")) * 3 / 4) - 18]
  member_sizes   = [for index, name in local.names : 30 + length(name) + local.stream_sizes[index]]
  member_offsets = [for index, name in local.names : sum(concat([0], slice(local.member_sizes, 0, index)))]
  members_size   = sum(concat([0], local.member_sizes))
  directory_size = sum(concat([0], [for name in local.names : 46 + length(name)]))

  # Little-endian numbers of 2 and 4 bytes.
  byte = [for code in range(256) : jsondecode(format("\"\\u%04x\"", code))]
  u16 = {
    for number in toset(concat([length(local.names)], [for name in local.names : length(name)])) :
    number => join("", [for unit in [1, 256] : local.byte[floor(number / unit) % 256]])
  }
  u32 = {
    for number in toset(concat(
      local.stream_sizes, local.member_offsets, [local.members_size, local.directory_size]
    )) :
    number => join("", [for unit in [1, 256, 65536, 16777216] : local.byte[floor(number / unit) % 256]])
  }

  # What a file's own header and its entry in the directory share.
  headers = [
    for index, name in local.names : join("", [
      "\u0014\u0000",             # needs version 2.0 to extract
      "\u0000\u0000\u0008\u0000", # no flags; DEFLATE
      "\u0000\u0000\u0021\u0000", # 1 January 1980, always, so that the same sources make the same archive
      local.streams[index].crc,
      local.u32[local.stream_sizes[index]],
      local.streams[index].length,
      local.u16[length(name)],
      "\u0000\u0000", # no extra field
    ])
  ]
  members = [
    for index, name in local.names :
    join("", ["PK\u0003\u0004", local.headers[index], name, local.streams[index].deflate])
  ]
  directory = [
    for index, name in local.names : join("", [
      "PK\u0001\u0002",
      "\u0014\u0003", # made as by a Unix system, or Lambda could not read the files
      local.headers[index],
      "\u0000\u0000\u0000\u0000\u0000\u0000", # no comment, first disk, no internal attributes
      "\u0000\u0000\u00a4\u0081",             # a file with mode 0644
      local.u32[local.member_offsets[index]],
      name,
    ])
  ]
  end = join("", [
    "PK\u0005\u0006",
    "\u0000\u0000\u0000\u0000", # one disk
    local.u16[length(local.names)],
    local.u16[length(local.names)],
    local.u32[local.directory_size],
    local.u32[local.members_size],
    "\u0000\u0000", # no comment
  ])

  zip_base64 = textencodebase64(join("", concat(local.members, local.directory, [local.end])), "ISO-8859-1")
}
