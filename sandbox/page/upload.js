/** Files that a person picks, on their way to the sandbox. */

const MOST_BYTES = 8_000_000;

/** The bytes of a picked file as base64; rejects with words for a person. */
export async function bytesOf(chosen) {
  if (!chosen.size || chosen.size > MOST_BYTES) throw new Error(chosen.size ? "Files here may have up to 8 MB." : "That file is empty.");
  const read = await new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(new Error("The file could not be read."));
    reader.readAsDataURL(chosen);
  });
  return read.slice(read.indexOf(",") + 1);
}
