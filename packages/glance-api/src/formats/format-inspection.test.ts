import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { FormatInspection, type FormatRules } from './format-inspection';

const MIB = 1024 * 1024;
const SIZE = 7 * MIB;

const warnings: string[] = [];
const RULES: FormatRules = {
  requireMatch: true,
  nonfatalGptChecks: [],
  warn: (message) => warnings.push(message),
};

/** @returns the size of the disk, or why the data is refused. */
function inspect(
  data: Buffer,
  diskFormat: string,
  rules: Partial<FormatRules> = {},
  pieceBytes = 65_536,
): number | string | null {
  const inspection = new FormatInspection(diskFormat, { ...RULES, ...rules });
  for (let at = 0; at < data.length; at += pieceBytes) {
    // A copy that is spoilt afterwards, as the buffers of a socket are.
    const piece = Buffer.from(data.subarray(at, at + pieceBytes));
    inspection.write(piece);
    piece.fill(0xa5);
  }
  try {
    return inspection.end();
  } catch (error) {
    return (error as Error).message.replace(/^The data is refused: (.*)\.$/s, '$1');
  }
}

const hasQemu = spawnSync('qemu-img', ['--version']).status === 0;
const describeWithQemu = hasQemu ? describe : withoutQemu();

function withoutQemu(): jest.Describe {
  const text = 'NO QEMU-IMG: images that it makes are not inspected, SKIPPED (qemu-utils)';
  if (process.env['CI'] !== undefined) throw new Error(text);
  process.stderr.write(`\n${text}\n\n`);
  return describe.skip;
}

beforeEach(() => {
  warnings.length = 0;
});

describeWithQemu('an image that qemu-img makes', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'glance-formats-'));
    const disk = Buffer.alloc(SIZE);
    for (let at = 0; at < SIZE; at += 64) disk.writeUInt32LE((at * 2654435761) >>> 0, at);
    writeFileSync(path.join(directory, 'disk.raw'), disk);
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  const qemu = (...args: string[]) => {
    // To choose its rounds for LUKS, qemu-img times a hash by the CPU time of its thread and gives
    // up when that reads 0 ms, as it may where the kernel counts CPU time in ticks.
    for (let attempts = 1; ; attempts += 1) {
      const { status, stderr } = spawnSync('qemu-img', args, { cwd: directory, encoding: 'utf8' });
      if (status === 0) return;
      if (attempts < 10 && stderr.includes('accurate CPU usage')) continue;
      throw new Error(`qemu-img ${args.join(' ')}: ${stderr}`);
    }
  };

  /** The disk in a format, or an empty one. */
  function made(format: string, options = '', ...more: string[]): Buffer {
    const file = path.join(directory, 'made');
    const settings = options === '' ? [] : ['-o', options];
    if (more.length > 0) qemu('create', '-q', '-f', format, ...settings, ...more);
    else qemu('convert', '-f', 'raw', '-O', format, ...settings, 'disk.raw', 'made');
    return readFileSync(file);
  }

  it.each([
    ['qcow2', 'qcow2', 'compat=0.10'],
    ['qcow2', 'qcow2', 'compat=1.1'],
    ['qcow2', 'qcow2', 'compat=1.1,lazy_refcounts=on'],
    ['qcow2', 'qcow2', 'compat=1.1,compression_type=zstd'],
    ['qcow2', 'qcow2', 'cluster_size=512'],
    ['qcow2', 'qcow2', 'cluster_size=2097152'],
    ['vmdk', 'vmdk', 'subformat=monolithicSparse'],
    ['vmdk', 'vmdk', 'subformat=streamOptimized'],
    ['vdi', 'vdi', ''],
    ['vdi', 'vdi', 'static=on'],
    ['vhdx', 'vhdx', ''],
    ['vhdx', 'vhdx', 'subformat=fixed'],
    ['vhd', 'vpc', 'subformat=dynamic,force_size=on'],
  ])('is %s, with the size of its disk: -O %s -o %s', (format, option, settings) => {
    const data = made(option, settings);
    expect(inspect(data, format)).toBe(SIZE);
    for (const pieceBytes of [1000, 4096, data.length]) {
      expect(inspect(data, format, {}, pieceBytes)).toBe(SIZE);
    }
    expect(inspect(data, format === 'vdi' ? 'qcow2' : 'vdi')).toMatch(
      `it is of format ${format}, and the image says`,
    );
    expect(inspect(data, 'raw')).toBe(data.length);
    expect(warnings).toEqual([`The data of a raw image is of format ${format}`]);
    expect(inspect(data, 'ami')).toBe(`it is of format ${format}, and the image says ami`);
  });

  it('is luks, as large as what follows its header', () => {
    const secret = '--object=secret,id=s,data=passphrase';
    const data = made('luks', 'key-secret=s,iter-time=10,hash-alg=sha512', secret, 'made', '1M');
    expect(inspect(data, 'luks')).toBe(MIB);
  });

  it.each([
    ['another disk', 'qcow2', 'backing_file=disk.raw,backing_fmt=raw', 'it has a backing file'],
    ['another file', 'qcow2', 'data_file=data', 'it has an external data file'],
    ['features of new programs', 'qcow2', 'extended_l2=on', 'needs features that are not known'],
    ['other files', 'vmdk', 'subformat=monolithicFlat', 'a descriptor alone'],
    ['other files', 'vmdk', 'subformat=twoGbMaxExtentSparse', 'a descriptor alone'],
    ['a format of the past', 'qed', '', 'this format is not accepted'],
  ])(
    'OSSA-2015-014, OSSA-2024-001: is refused for %s, whatever it is said to be: %s -o %s',
    (_why, format, options, text) => {
      const data = made(format, options, 'made', '1M');
      for (const said of [format, 'raw', 'ami']) expect(inspect(data, said)).toContain(text);
      expect(inspect(data, 'raw', { requireMatch: false })).toContain(text);
    },
  );

  it('is refused with a parent disk', () => {
    qemu('create', '-q', '-f', 'vmdk', 'parent.vmdk', '1M');
    const child = made('vmdk', '', '-b', 'parent.vmdk', '-F', 'vmdk', 'made');
    expect(inspect(child, 'vmdk')).toContain('it has a parent disk');
  });

  it.each(['qcow2', 'vmdk', 'vdi', 'vhdx', 'vpc'])('takes its time for no damage: %s', (option) => {
    const format = option === 'vpc' ? 'vhd' : option;
    const data = made(option);
    let state = 20_261;
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      return state % below;
    };
    const answers = new Set<string>();
    for (let round = 0; round < 300; round += 1) {
      const damaged = Buffer.from(data.subarray(0, random(4) === 0 ? random(MIB) : 2 * MIB));
      for (let count = random(8); count >= 0 && damaged.length > 0; count -= 1) {
        const near = [600, 2048, 70_000, MIB + 200][random(4)]!;
        damaged.writeUInt8(random(256), random(Math.min(near, damaged.length)));
      }
      const answer = inspect(damaged, format);
      // Each is a size, or a reason that is one of ours.
      if (typeof answer === 'string') expect(answer).not.toContain('cannot be inspected');
      answers.add(typeof answer);
    }
    expect(answers).toContain('string');
  });
});

describe('data of a bare image', () => {
  const zeros = (bytes: number): Buffer => Buffer.alloc(bytes);
  const withText = (data: Buffer, offset: number, text: string): Buffer => {
    data.write(text, offset, 'latin1');
    return data;
  };

  /** A boot sector with these partitions: boot flag, start CHS, type, first sector. */
  function bootSector(...entries: [number, number[], number, number][]): Buffer {
    const sector = zeros(MIB);
    for (const [index, [flag, chs, type, first]] of entries.entries()) {
      const at = 446 + index * 16;
      sector.writeUInt8(flag, at);
      Buffer.from(chs).copy(sector, at + 1);
      sector.writeUInt8(type, at + 4);
      sector.writeUInt32LE(first, at + 8);
    }
    sector.writeUInt16LE(0xaa55, 510);
    return sector;
  }

  const linux: [number, number[], number, number] = [0x80, [0, 33, 3], 0x83, 2048];
  const protective: [number, number[], number, number] = [0, [0, 2, 0], 0xee, 1];

  function cd(data = zeros(MIB)): Buffer {
    withText(data, 32_769, 'CD001');
    data.writeUInt32LE(500, 32_768 + 80);
    data.writeUInt16LE(2048, 32_768 + 128);
    return data;
  }

  it('is raw when it is nothing else', () => {
    expect(inspect(Buffer.from('anything'), 'raw')).toBe(8);
    expect(inspect(zeros(0), 'raw')).toBeNull();
    expect(inspect(zeros(0), 'qcow2')).toBeNull();
    expect(inspect(Buffer.from('anything'), 'ami')).toBeNull();
    expect(inspect(Buffer.from('anything'), 'ploop')).toBeNull();
    expect(inspect(Buffer.from('anything'), 'qcow2')).toBe(
      'it is not of format qcow2, as the image says',
    );
  });

  it('is a disk with partitions, which a raw image may be', () => {
    expect(inspect(bootSector(linux), 'raw')).toBe(MIB);
    expect(inspect(bootSector(protective), 'gpt')).toBe(MIB);
    expect(warnings).toEqual([]);
    const fat = bootSector(linux);
    fat.writeUInt8(2, 16);
    fat.writeUInt8(0xf8, 21);
    expect(inspect(fat, 'gpt')).toContain('it is not of format gpt');
  });

  it.each([
    ['a boot flag that is none', [[7, [0, 1, 1], 0x83, 1]]],
    ['table is empty', []],
    ['starts where it cannot', [[0, [0, 2, 0], 0xee, 2]]],
    ['starts where it cannot', [[0, [9, 2, 0], 0xee, 1]]],
    ['is not the only one', [protective, linux]],
    ['is not the only one', [linux, protective]],
  ] as [string, (typeof linux)[]][])('is refused when %s', (text, entries) => {
    const data = bootSector(...entries);
    expect(inspect(data, 'raw')).toContain(text);
    expect(inspect(data, 'raw', { nonfatalGptChecks: ['mbr'] })).toBe(MIB);
    expect(warnings[0]).toContain(text);
  });

  it('is a CD, with a boot sector or without', () => {
    expect(inspect(cd(), 'iso')).toBe(500 * 2048);
    expect(inspect(cd(bootSector(linux)), 'iso')).toBe(500 * 2048);
    expect(inspect(cd(), 'raw')).toBe(MIB);
    expect(inspect(cd(bootSector(linux)), 'raw')).toBe(
      'it is of several formats at once: iso, gpt',
    );
  });

  it('is refused when it is two formats at once', () => {
    const both = cd();
    both.write('QFI\xfb', 0, 'latin1');
    both.writeUInt32BE(3, 4);
    both.writeUInt32BE(16, 20);
    both.writeUInt32BE(104, 100);
    for (const said of ['qcow2', 'iso', 'raw']) {
      expect(inspect(both, said)).toBe('it is of several formats at once: qcow2, iso');
    }
    expect(inspect(both, 'iso', { requireMatch: false })).toBeNull();
  });

  it.each([
    ['qcow2', 'QFI\xfb'],
    ['vhd', 'conectix'],
    ['vhdx', 'vhdxfile'],
    ['vmdk', 'KDMV'],
    ['luks', 'LUKS\xba\xbe'],
  ])('is refused when it ends within what it begins as: %s', (format, magic) => {
    for (const bytes of [magic.length, 511]) {
      const data = withText(zeros(bytes), 0, magic);
      expect(inspect(data, format)).toMatch(/^\w+: /);
      expect(inspect(data, 'raw')).toMatch(/^\w+: /);
    }
  });

  describe('OSSA-2023-002: with the descriptor of a vmdk', () => {
    const EXTENT = 'RW 2048 SPARSE "disk.vmdk"';
    function vmdk(lines: string[], change: (data: Buffer) => void = () => undefined): Buffer {
      const data = zeros(64 * 1024);
      data.write('KDMV', 0, 'latin1');
      data.writeUInt32LE(1, 4);
      data.writeBigUInt64LE(2048n, 12);
      data.writeBigUInt64LE(1n, 28);
      data.writeBigUInt64LE(20n, 36);
      withText(data, 512, lines.join('\n'));
      change(data);
      return data;
    }
    const sound = ['# Disk DescriptorFile', 'version=1', 'createType="monolithicSparse"'];

    it('takes one that names nothing but itself', () => {
      expect(inspect(vmdk([...sound, EXTENT, 'ddb.adapterType = "ide"']), 'vmdk')).toBe(MIB);
    });

    it.each([
      ['an extent is elsewhere', [...sound, 'RW 2048 SPARSE "/etc/passwd"']],
      ['an extent is elsewhere', [...sound, 'RW 2048 SPARSE "..\\\\other"']],
      ['a line that is not known', [...sound, EXTENT, 'RW 2048 SPARSE /etc/passwd']],
      ['a line that is not known', [...sound, EXTENT, 'something']],
      ['it has no extent', sound],
      ['createType is not accepted', ['createType="monolithicFlat"', EXTENT]],
      ['createType is not accepted', [EXTENT]],
      ['it has a parent disk', [...sound, EXTENT, 'parentCID=12345678']],
      ['it has a parent disk', [...sound, EXTENT, 'parentFileNameHint="base.vmdk"']],
    ])('is refused: %s %j', (text, lines) => {
      expect(inspect(vmdk(lines), 'vmdk')).toContain(text);
    });

    it.each<[string, (data: Buffer) => void]>([
      ['version 4 is not supported', (data) => data.writeUInt32LE(4, 4)],
      ['is not where it can be read', (data) => data.writeBigUInt64LE(9n, 28)],
      ['is not where it can be read', (data) => data.writeBigUInt64LE(4096n, 36)],
      ['its descriptor is cut off', (data) => data.writeBigUInt64LE(200n, 36)],
      ['its size is none', (data) => data.writeBigUInt64LE(1n << 60n, 12)],
      ['no proper end', (data) => data.writeBigUInt64LE(0xffff_ffff_ffff_ffffn, 56)],
    ])('is refused: %s', (text, change) => {
      expect(inspect(vmdk([...sound, EXTENT], change), 'vmdk')).toContain(text);
    });
  });

  describe('with the header of a qcow2', () => {
    function qcow2(change: (data: Buffer) => void, bytes = 65_536): Buffer {
      const data = zeros(bytes);
      data.write('QFI\xfb', 0, 'latin1');
      data.writeUInt32BE(3, 4);
      data.writeUInt32BE(16, 20);
      data.writeBigUInt64BE(BigInt(SIZE), 24);
      data.writeUInt32BE(104, 100);
      change(data);
      return data;
    }

    it('takes what is sound', () => {
      expect(
        inspect(
          qcow2(() => undefined),
          'qcow2',
        ),
      ).toBe(SIZE);
      const named = qcow2((data) => {
        data.writeUInt32BE(0x6803f857, 104);
        data.writeUInt32BE(480, 108);
      });
      expect(inspect(named, 'qcow2')).toBe(SIZE);
    });

    it.each<[string, (data: Buffer) => void]>([
      ['version 1 is not supported', (data) => data.writeUInt32BE(1, 4)],
      ['version 4 is not supported', (data) => data.writeUInt32BE(4, 4)],
      ['it has a backing file', (data) => data.writeBigUInt64BE(1n << 63n, 8)],
      ['it is marked as corrupt', (data) => data.writeBigUInt64BE(2n, 72)],
      ['it has an external data file', (data) => data.writeBigUInt64BE(4n, 72)],
      ['features that are not known', (data) => data.writeBigUInt64BE(16n, 72)],
      ['features that are not known', (data) => data.writeBigUInt64BE(1n << 63n, 72)],
      ['its cluster size is none', (data) => data.writeUInt32BE(60, 20)],
      ['its size is none', (data) => data.writeBigUInt64BE(1n << 63n, 24)],
      ['length that it cannot have', (data) => data.writeUInt32BE(72, 100)],
      ['length that it cannot have', (data) => data.writeUInt32BE(0xffff_fff8, 100)],
      ['names an external data file', (data) => data.writeUInt32BE(0x44415441, 104)],
      [
        'names an external data file',
        (data) => {
          data.writeUInt32BE(0x6803f857, 104);
          data.writeUInt32BE(4000, 108);
          data.writeUInt32BE(0x44415441, 104 + 8 + 4000);
        },
      ],
      [
        'do not end within the first cluster',
        (data) => {
          data.writeUInt32BE(0x6803f857, 104);
          data.writeUInt32BE(0xffff_ffff, 108);
        },
      ],
    ])('is refused: %s', (text, change) => {
      expect(inspect(qcow2(change), 'qcow2')).toContain(text);
      expect(inspect(qcow2(change), 'raw')).toContain(text);
    });

    it('of version 2 is refused for an external data file, too', () => {
      const data = qcow2((header) => {
        header.writeUInt32BE(2, 4);
        header.writeUInt8(4, 79);
      });
      expect(inspect(data, 'qcow2')).toContain('it has an external data file');
    });
  });
});
