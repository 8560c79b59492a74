/** Where a command's output goes; the process's own, or a test's. */
export interface TerminalOptions {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Standard output and error of a command. */
export class Terminal {
  readonly #stdout: TerminalOptions['stdout'];
  readonly #stderr: NodeJS.WritableStream;
  /** Colours only on a terminal, and not against https://no-color.org. */
  readonly hasColour: boolean;

  constructor({ stdout, stderr, environment }: TerminalOptions) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.hasColour = stdout.isTTY === true && (environment.NO_COLOR ?? '') === '';
  }

  /** Prints lines, with an end of line after each. */
  print(...lines: readonly string[]): void {
    this.#stdout.write(`${lines.join('\n')}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2));
  }

  /** Progress and remarks, kept out of what a program reads. */
  note(line: string): void {
    this.#stderr.write(`${line}\n`);
  }

  /** Makes room for the next picture of a `--watch`: a screen cleared, or an empty line where there is none. */
  nextPicture(): void {
    this.#stdout.write(this.#stdout.isTTY === true ? '\x1b[H\x1b[2J' : '\n');
  }
}
